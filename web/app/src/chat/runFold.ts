/** What is known of one run and how it is shown: a resource, its records, and what the connection does. No I/O. */

import type { LinkStatus, ProtocolRecord, RunResource, Snapshot } from "@headwater/client";
import { emptySnapshot, fold } from "@headwater/client/fold";
import { type Figures, figuresOf, Meter } from "./figures.ts";
import {
  type End,
  endOf,
  hasOutput,
  type Link,
  linkOf,
  type Phase,
  phaseOf,
  type RunStatus,
  statusOf,
} from "./status.ts";

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

export class RunFold {
  readonly id: string;
  readonly #meter = new Meter();
  #run: RunResource | null = null;
  #snapshot = emptySnapshot();
  #link: Link = { state: "connecting" };
  #phase: Phase = { state: "connecting" };
  #end: End | null = null;
  #missing = false;
  #trouble: string | null = null;

  /** `run` is what is known of it already, from the answer that started it. */
  constructor(id: string, run: RunResource | null = null) {
    this.id = id;
    if (run !== null) this.know(run);
  }

  get run(): RunResource | null {
    return this.#run;
  }

  /** The seq behind which the records are still to come. */
  get cursor(): number {
    return this.#snapshot.seq;
  }

  /** Nothing more will come of it. */
  get over(): boolean {
    return this.#end !== null || this.#missing || this.#trouble !== null;
  }

  /** What the server says of the run, before its records are read. */
  know(run: RunResource): void {
    this.#run = run;
    this.#end ??= endOf(run.state, run.snapshot);
    if (this.#end !== null) return;
    if (run.tail > REPLAY_RECORDS_MAX && this.#snapshot.seq === 0) this.#skip(run.snapshot);
    // What has put something out is past its queue and its connecting, whose records may not be read.
    if (run.snapshot.parts.length > 0) this.#phase = { state: "streaming" };
    // A run without records has only just been made: whether it has to wait its first record tells.
    if (run.state === "queued" && run.tail > 0) this.#phase = { state: "queued", position: null };
  }

  /** What is taken back can not be told from the rest of a snapshot: a newer one is without it. */
  restart(run: RunResource): void {
    this.#run = run;
    this.#skip(run.snapshot);
    this.#end = endOf(run.state, run.snapshot);
  }

  /** A record that follows those before. Throws `PastUnknown` where the run is to be asked for again. */
  take(record: ProtocolRecord): void {
    this.#snapshot = fold(this.#snapshot, record);
    this.#meter.take(record);
    switch (record.type) {
      case "status":
        this.#phase = phaseOf(record.data, this.#phase, Date.now());
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

  connection(status: LinkStatus): void {
    this.link(linkOf(status, Date.now()));
  }

  link(link: Link): void {
    this.#link = link;
  }

  gone(): void {
    this.#missing = true;
  }

  fail(trouble: string): void {
    this.#trouble = trouble;
  }

  look(): RunView {
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

  #skip(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#meter.skip(snapshot);
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

