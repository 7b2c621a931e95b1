/** Reads one response's events, in the envelope or in an older form. `subscription.ts` is what reconnects. */

import { Cancelled, ClientError, NetworkError, RunFailed } from "./errors.ts";
import { type Form, settle } from "./forms.ts";
import type { FinalRecord, ProtocolRecord } from "./protocol.ts";
import { StreamReader } from "./reader.ts";
import { isFinal } from "./record.ts";

/** The final record of a run that did not fail. */
export type EndedRecord = Exclude<FinalRecord, { type: "error" }>;

/** What is called as a stream is read. */
export interface Callbacks {
  /** Each record. */
  readonly data?: (record: ProtocolRecord) => void;
  /** What ends the reading: `RunFailed` where the run itself failed. */
  readonly error?: (error: ClientError) => void;
  /** The final record of a run that completed or was cancelled. */
  readonly complete?: (final: EndedRecord) => void;
}

type Listeners = { readonly [Event in keyof Callbacks]-?: Set<NonNullable<Callbacks[Event]>> };

/**
 * The events of one streaming response.
 *
 *     for await (const record of new SSEStreamReader(await fetch(url)).readEvents()) { … }
 *
 * Listeners (`on`) are called in order, and exactly one of `error` and `complete` is called, last. The stream is read
 * once, by `readEvents` or by `readToCompletion`, and the body is cancelled when that ends, however it ends.
 */
export class SSEStreamReader {
  /** Settled by the stream's first data. */
  form: Form | null = null;
  /** Records, heartbeats not included. */
  eventsReceived = 0;
  isStreaming = false;
  readonly #reader: StreamReader;
  readonly #stop = new AbortController();
  readonly #listeners: Listeners = { data: new Set(), error: new Set(), complete: new Set() };
  #started = false;

  /** `silenceMs`: a connection on which nothing comes for so long, no heartbeat either, counts as dead. */
  constructor(response: Response, options: { readonly silenceMs?: number } = {}) {
    this.#reader = new StreamReader(response, { ...options, signal: this.#stop.signal });
  }

  /** Of the body, heartbeats and framing included. */
  get bytesReceived(): number {
    return this.#reader.bytesReceived;
  }

  /** Calls `callback` from now on; the function that comes back takes it away again. */
  on<Event extends keyof Callbacks>(event: Event, callback: NonNullable<Callbacks[Event]>): () => void {
    const listeners = this.#listeners[event] as Set<typeof callback>;
    listeners.add(callback);
    return () => listeners.delete(callback);
  }

  /**
   * The records as they come; ends after the final one.
   *
   * Throws `NetworkError` when the connection broke or ended before the final record, `TimedOut` after a silence,
   * `ParseError` for what can not be read, `Cancelled` after `cancel`. A run that failed is no error here: its `error`
   * record is the last that comes.
   */
  async *readEvents(): AsyncGenerator<ProtocolRecord, void, undefined> {
    if (this.#started) {
      throw new Error("A stream is read once; a new response needs a new reader");
    }
    this.#started = this.isStreaming = true;
    try {
      for await (const record of this.#records()) {
        this.eventsReceived += 1;
        tell(this.#listeners.data, record);
        if (isFinal(record)) {
          // Told before it is given, for a caller may leave its loop at the final record.
          this.isStreaming = false;
          this.#tellEnd(record);
          yield record;
          return;
        }
        yield record;
      }
      throw new NetworkError("The connection ended before the run did");
    } catch (error) {
      this.isStreaming = false;
      if (error instanceof ClientError) {
        tell(this.#listeners.error, error);
      }
      throw error;
    } finally {
      this.isStreaming = false;
    }
  }

  /**
   * Reads to the end, calling `callbacks` beside any listeners, and gives the final record.
   *
   * Throws what `readEvents` does, and `RunFailed` for a run that failed.
   */
  async readToCompletion(callbacks: Callbacks = {}): Promise<EndedRecord> {
    for (const event of ["data", "error", "complete"] as const) {
      const callback = callbacks[event];
      if (callback !== undefined) {
        this.on(event, callback);
      }
    }
    let last: ProtocolRecord | undefined;
    for await (const record of this.readEvents()) {
      last = record;
    }
    if (last?.type === "error") {
      throw new RunFailed(last.data);
    }
    return last as EndedRecord;
  }

  /** Stops reading: whoever reads gets `Cancelled`, and the connection is closed. The run goes on. */
  cancel(): void {
    this.#stop.abort(new Cancelled("Reading was cancelled"));
  }

  async *#records(): AsyncGenerator<ProtocolRecord, void, undefined> {
    for await (const frames of this.#reader.frames()) {
      for (const frame of frames) {
        this.form ??= settle(frame);
        for (const record of this.form.read(frame)) {
          this.#stop.signal.throwIfAborted();
          yield record;
        }
      }
    }
    yield* this.form?.end() ?? [];
  }

  #tellEnd(record: ProtocolRecord): void {
    if (record.type === "error") {
      tell(this.#listeners.error, new RunFailed(record.data));
    } else if (record.type === "complete" || record.type === "cancelled") {
      tell(this.#listeners.complete, record);
    }
  }
}

function tell<Value>(listeners: ReadonlySet<(value: Value) => void>, value: Value): void {
  for (const listener of [...listeners]) {
    listener(value);
  }
}
