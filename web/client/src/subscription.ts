/**
 * Follows a run over as many connections as it takes: every record exactly once, in order, to the final one.
 *
 * A subscription is a cursor and a loop. Whatever ends a connection, the loop waits a little, opens another one behind
 * the cursor, and drops what it has already given out.
 */

import type { Backoff } from "./backoff.ts";
import { Cancelled, ClientError, NetworkError, ParseError } from "./errors.ts";
import type { ProtocolRecord, RunResource } from "./protocol.ts";
import { StreamReader } from "./reader.ts";
import { isFinal } from "./record.ts";
import type { WakeReason, Wakes } from "./wakes.ts";

/** Where a subscription is. `delayMs` and `error` are there while it waits for its next try. */
export interface FollowStatus {
  readonly state: "connecting" | "streaming" | "reconnecting" | "ended";
  readonly cursor: number;
  /** Tries in a row without progress. */
  readonly attempt: number;
  readonly delayMs?: number;
  readonly error?: ClientError;
}

export type StatusCallback = (status: FollowStatus) => void;

/** `heartbeatMs` is how often a silent server says that it lives; 2.5 times that without a byte is death. */
export interface Timing {
  readonly heartbeatMs: number;
  /** Waits, and no longer than until `signal` is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Opens a connection on a run's events after a cursor; null for `run` starts the run as well. */
export type Opener = (run: string | null, after: number, signal: AbortSignal) => Promise<Response>;

export interface SubscriptionParts {
  readonly open: Opener;
  readonly run: string | null;
  readonly after: number;
  /** Begin with a snapshot: the first connection's seqs may jump. */
  readonly fromSnapshot: boolean;
  readonly opening: Backoff;
  readonly following: Backoff;
  readonly timing: Timing;
  readonly wakes: Wakes;
  readonly cancel: (run: string) => Promise<RunResource>;
  readonly onStatus: StatusCallback | undefined;
  readonly signal: AbortSignal | undefined;
}

interface Connection {
  readonly controller: AbortController;
  reader: StreamReader | null;
}

/**
 * The records of a run after a cursor; made by `Headwater.follow`. It is iterated once.
 *
 *     for await (const record of headwater.follow(run.id)) { … }
 *
 * Throws, from the iteration: `NotFound`, `CursorAhead`, `CursorTrimmed`, other `ServerError`s that another try would
 * not change, and `MaxRetriesExceeded` after as many tries in a row without progress as the policy has. Progress is a
 * record, or a connection that the server kept alive for a heartbeat or longer: a model may think for an hour behind a
 * proxy that cuts every connection after a minute.
 */
export class Subscription implements AsyncIterable<ProtocolRecord> {
  /** The run's id; null until the server has said it, where this subscription starts the run. */
  run: string | null;
  /** The seq of the newest record given out: what to save, and to give as `after` another day. */
  cursor: number;
  readonly #parts: SubscriptionParts;
  readonly #records: AsyncGenerator<ProtocolRecord, void, undefined>;
  readonly #known = Promise.withResolvers<string>();
  #connection: Connection | null = null;
  #nap: AbortController | null = null;
  #closed = false;
  readonly #aborted = (): void => this.close();
  /** The connection was given up because the world changed. */
  #woken = false;

  constructor(parts: SubscriptionParts) {
    this.run = parts.run;
    this.cursor = parts.after;
    this.#parts = parts;
    this.#records = this.#follow();
    this.#known.promise.catch(() => {});
    if (parts.run !== null) {
      this.#known.resolve(parts.run);
    }
    parts.signal?.addEventListener("abort", this.#aborted);
    if (parts.signal?.aborted) {
      this.close();
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<ProtocolRecord, void, undefined> {
    return this.#records;
  }

  /** Closes the connection, and the iteration ends without an error. The run goes on. */
  close(): void {
    this.#closed = true;
    this.#parts.signal?.removeEventListener("abort", this.#aborted);
    const reason = new Cancelled("Reading was stopped");
    this.#known.reject(reason);
    this.#connection?.controller.abort(reason);
    this.#nap?.abort();
  }

  /** Asks the server to cancel the run, as soon as its id is known. What is still to come is read as before. */
  async cancel(): Promise<RunResource> {
    return this.#parts.cancel(await this.#known.promise);
  }

  async *#follow(): AsyncGenerator<ProtocolRecord, void, undefined> {
    const deafen = this.#parts.wakes((reason) => this.#wake(reason));
    try {
      while (!this.#closed) {
        try {
          yield* this.#connected();
          this.#tell("ended");
          return;
        } catch (error) {
          if (!(error instanceof ClientError)) {
            throw error;
          }
          await this.#recover(error);
        }
      }
    } finally {
      deafen();
      this.close();
    }
  }

  get #backoff(): Backoff {
    // Until the run's id is known, its start is what is tried again.
    return this.run === null ? this.#parts.opening : this.#parts.following;
  }

  /** The new records of one connection; ends after the final one. */
  async *#connected(): AsyncGenerator<ProtocolRecord, void, undefined> {
    const { open, timing, following } = this.#parts;
    const connection: Connection = { controller: new AbortController(), reader: null };
    this.#connection = connection;
    this.#woken = false;
    const jumps = this.#parts.fromSnapshot && this.cursor === 0;
    const { signal } = connection.controller;
    let openedAt = 0;
    try {
      this.#tell("connecting");
      const response = await open(this.run, this.cursor, signal);
      openedAt = Date.now();
      this.#learn(response);
      if (response.status === 204) {
        return;
      }
      this.#tell("streaming");
      connection.reader = new StreamReader(response, { silenceMs: 2.5 * timing.heartbeatMs, signal });
      yield* this.#unseen(connection.reader, jumps);
    } finally {
      this.#connection = null;
      connection.controller.abort();
      const { reader } = connection;
      if (reader !== null) {
        following.baseMs = reader.retryMs ?? following.baseMs;
        if (reader.lastByteAt - openedAt >= timing.heartbeatMs) {
          following.progressed();
        }
      }
    }
  }

  async *#unseen(reader: StreamReader, jumps: boolean): AsyncGenerator<ProtocolRecord, void, undefined> {
    let mayJump = jumps;
    for await (const records of reader.records()) {
      for (const record of records) {
        if (this.#closed) {
          throw new Cancelled("Reading was stopped");
        }
        if (record.seq > this.cursor) {
          if (!mayJump && record.seq !== this.cursor + 1) {
            throw new ParseError(`Record ${record.seq} came after record ${this.cursor}: there is a gap`);
          }
          // A past that did not fit a snapshot is replayed in joined pieces, whose seqs jump.
          mayJump = mayJump && record.type !== "snapshot";
          this.cursor = record.seq;
          this.#parts.following.progressed();
          yield record;
        }
        if (isFinal(record)) {
          return;
        }
      }
    }
  }

  #learn(response: Response): void {
    this.run ??= response.headers.get("x-run-id");
    if (this.run === null) {
      throw new ParseError("The server did not say which run it started");
    }
    this.#known.resolve(this.run);
  }

  async #recover(error: ClientError): Promise<void> {
    if (this.#closed) {
      return;
    }
    const backoff = this.#backoff;
    let delayMs = 0;
    // That is no failure of the server's.
    if (!this.#woken) {
      try {
        delayMs = backoff.delayMs(error);
      } catch (last) {
        this.#known.reject(last);
        throw last;
      }
    }
    this.#tell("reconnecting", { delayMs, error });
    if (delayMs > 0 && !this.#closed) {
      this.#nap = new AbortController();
      await this.#parts.timing.sleep(delayMs, this.#nap.signal);
      this.#nap = null;
    }
  }

  #wake(reason: WakeReason): void {
    this.#nap?.abort();
    const connection = this.#connection;
    if (connection === null) {
      return;
    }
    const silentMs = Date.now() - (connection.reader?.lastByteAt ?? Date.now());
    if (reason === "network" || silentMs > 1.2 * this.#parts.timing.heartbeatMs) {
      this.#woken = true;
      connection.controller.abort(new NetworkError("The connection is from before a sleep or a change of network"));
    }
  }

  #tell(state: FollowStatus["state"], more: Partial<FollowStatus> = {}): void {
    this.#parts.onStatus?.({ state, cursor: this.cursor, attempt: this.#backoff.tries, ...more });
  }
}

/** The platform's timer. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
