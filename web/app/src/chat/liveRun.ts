/** One run as the page follows it: read from the server, folded, and told to whoever listens once a frame. */

import {
  ClientError,
  emptySnapshot,
  fold,
  type Headwater,
  NotFound,
  PastUnknown,
  type ProtocolRecord,
  type RunResource,
  type Snapshot,
  type StatusCallback,
} from "@headwater/client";
import { FrameGate } from "../browser/frame.ts";
import { type Figures, figuresOf, Meter } from "./figures.ts";
import { type End, endOf, hasOutput, type Link, linkOf, type Phase, type RunStatus, statusOf } from "./status.ts";

/** What is shown of a run. It never changes; a new one comes with every frame in which something did. */
export interface RunView {
  readonly run: RunResource | null;
  readonly snapshot: Snapshot;
  readonly status: RunStatus;
  readonly figures: Figures | null;
  /** The run does not exist, or not for this reader. */
  readonly missing: boolean;
  /** Why this page can not go on reading; the run itself may be well. */
  readonly trouble: string | null;
}

// Below this a run is read again from its first record, whose times say how long the first token took.
const REPLAY_RECORDS_MAX = 5000;
const RELOAD_MS = 3000;
const LEAVE_MS = 1000;

export class LiveRun {
  readonly id: string;
  readonly #client: Headwater;
  readonly #listeners = new Set<() => void>();
  readonly #gate = new FrameGate(() => this.#publish());
  #reading: AbortController | null = null;
  #leaving: ReturnType<typeof setTimeout> | null = null;
  #run: RunResource | null;
  #snapshot = emptySnapshot();
  #meter = new Meter();
  #link: Link = { state: "connecting" };
  #phase: Phase = { state: "connecting" };
  #end: End | null = null;
  #missing = false;
  #trouble: string | null = null;
  #view: RunView;

  /** `run` is what is known of it already, from the answer that started it. */
  constructor(client: Headwater, id: string, run: RunResource | null = null) {
    this.#client = client;
    this.id = id;
    this.#run = run;
    this.#view = this.#look();
  }

  readonly view = (): RunView => this.#view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    this.#leaving = null;
    if (this.#reading === null) {
      this.#reading = new AbortController();
      void this.#live(this.#reading.signal);
    }
    return () => {
      this.#listeners.delete(listener);
      if (!this.watched) this.#leaving = setTimeout(() => this.#rest(), LEAVE_MS);
    };
  };

  get watched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Asks the server to stop the run. What has come is kept, and the end comes as a record like any other. */
  async cancel(): Promise<void> {
    await this.#client.cancel(this.id);
  }

  close(): void {
    this.#reading?.abort();
    this.#gate.close();
  }

  /** A browser has few connections to a server: a run that nobody looks at is read on when somebody does. */
  #rest(): void {
    this.#leaving = null;
    if (this.#end !== null) return;
    this.#reading?.abort();
    this.#reading = null;
  }

  async #live(signal: AbortSignal): Promise<void> {
    try {
      const run = this.#run ?? (await this.#load(signal));
      this.#run = run;
      this.#end ??= endOf(run.state, run.snapshot);
      if (this.#end === null) await this.#follow(run, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof NotFound) this.#missing = true;
      else this.#trouble = error instanceof Error ? error.message : String(error);
    }
    this.#gate.flush();
  }

  async #load(signal: AbortSignal): Promise<RunResource> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#client.get(this.id, { signal });
      } catch (error) {
        if (!(error instanceof ClientError) || error instanceof NotFound || signal.aborted) throw error;
        this.#link = { state: "reconnecting", attempt, at: Date.now() + RELOAD_MS };
        this.#gate.request();
        await new Promise((resolve) => setTimeout(resolve, RELOAD_MS));
        this.#link = { state: "reconnecting", attempt, at: null };
        this.#gate.request();
      }
    }
  }

  async #follow(run: RunResource, signal: AbortSignal): Promise<void> {
    if (run.tail > REPLAY_RECORDS_MAX && this.#snapshot.seq === 0) {
      this.#snapshot = run.snapshot;
      this.#meter.skip(run.snapshot);
    }
    // What has put something out is past its queue and its connecting, whose records may not be read.
    if (run.snapshot.text + run.snapshot.reasoning !== "") this.#phase = { state: "streaming" };
    if (run.state === "queued") this.#phase = { state: "queued", position: null };
    this.#gate.request();
    const onStatus: StatusCallback = (status) => {
      this.#link = linkOf(status, Date.now());
      this.#gate.request();
    };
    while (await this.#read(onStatus, signal)) {
      // What is taken back can not be told from the rest of the snapshot: a newer one is without it.
      this.#run = await this.#load(signal);
      this.#snapshot = this.#run.snapshot;
      this.#end = endOf(this.#run.state, this.#run.snapshot);
      this.#meter.skip(this.#snapshot);
      this.#gate.request();
      if (this.#end !== null) return;
    }
  }

  /** Reads on from the snapshot to the run's end; true where the past has to be asked for again before that. */
  async #read(onStatus: StatusCallback, signal: AbortSignal): Promise<boolean> {
    const records = this.#client.follow(this.id, { after: this.#snapshot.seq, onStatus, signal });
    for await (const record of records) {
      if (signal.aborted) return false;
      try {
        this.#take(record);
      } catch (error) {
        if (error instanceof PastUnknown) return true;
        throw error;
      }
      this.#gate.request();
    }
    return false;
  }

  #take(record: ProtocolRecord): void {
    this.#snapshot = fold(this.#snapshot, record);
    this.#meter.take(record);
    switch (record.type) {
      case "status":
        this.#phase = phaseOf(record.data, this.#phase);
        break;
      case "complete":
        this.#end = { type: "complete", reason: record.data.finish_reason };
        break;
      case "cancelled":
        this.#end = { type: "cancelled", by: record.data.by };
        break;
      case "error":
        this.#end = { type: "error", failure: record.data };
        break;
      default:
        break;
    }
  }

  #publish(): void {
    this.#view = this.#look();
    for (const listener of this.#listeners) listener();
  }

  #look(): RunView {
    const known = this.#run?.snapshot;
    // While the past is read again, what the server said it amounts to is shown: text never goes back.
    const caught = known === undefined || this.#snapshot.seq >= known.seq;
    const snapshot = caught ? this.#snapshot : known;
    const end = caught || this.#replayless ? this.#end : null;
    const status = statusOf(end, this.#link, this.#phase, hasOutput(snapshot));
    const run = this.#run === null ? null : { ...this.#run, snapshot };
    const figures = this.#figures(run);
    return { run, snapshot, status, figures, missing: this.#missing, trouble: this.#trouble };
  }

  /** The run had ended before the page came, and no record of it is read. */
  get #replayless(): boolean {
    return this.#end !== null && this.#snapshot.seq === 0;
  }

  #figures(run: RunResource | null): Figures | null {
    if (run === null) return null;
    return this.#replayless ? figuresOf(run) : this.#meter.figures(this.#snapshot.usage);
  }
}

function phaseOf(data: { state: string; position?: number | null }, before: Phase): Phase {
  if (data.state === "queued") return { state: "queued", position: data.position ?? null };
  if (data.state === "connecting" || data.state === "streaming") return { state: data.state };
  return before;
}
