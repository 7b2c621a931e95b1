/**
 * Follows a run: every record exactly once, in order, to the final one. A subscription is a cursor and a loop, which is
 * the follower's.
 */

import type { Backoff } from "./backoff.ts";
import { ParseError } from "./errors.ts";
import { Follower, type FollowerParts, type LinkStatus } from "./follower.ts";
import type { ProtocolRecord, RunResource, StatusData } from "./protocol.ts";
import type { StreamReader } from "./reader.ts";
import { decodeRecord, isFinal } from "./record.ts";

/** Where a subscription is. */
export interface FollowStatus extends LinkStatus {
  readonly cursor: number;
}

export type StatusCallback = (status: FollowStatus) => void;
/** Gets each of the run's own `status` records: a state, a message, how far it is from 0 to 1. */
export type ProgressCallback = (status: StatusData) => void;

/** Opens a connection on a run's events after a cursor; null for `run` starts the run as well. */
export type Opener = (run: string | null, after: number, signal: AbortSignal) => Promise<Response>;

export interface SubscriptionParts extends FollowerParts {
  readonly open: Opener;
  readonly run: string | null;
  readonly after: number;
  /** Begin with a snapshot: the first connection's seqs may jump. */
  readonly fromSnapshot: boolean;
  readonly opening: Backoff;
  readonly cancel: (run: string) => Promise<RunResource>;
  readonly onStatus: StatusCallback | undefined;
  readonly onProgress: ProgressCallback | undefined;
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
export class Subscription extends Follower<ProtocolRecord> {
  /** The run's id; null until the server has said it, where this subscription starts the run. */
  run: string | null;
  /** The seq of the newest record given out: what to save, and to give as `after` another day. */
  cursor: number;
  readonly #parts: SubscriptionParts;
  readonly #known = Promise.withResolvers<string>();

  constructor(parts: SubscriptionParts) {
    super(parts);
    this.run = parts.run;
    this.cursor = parts.after;
    this.#parts = parts;
    this.#known.promise.catch(() => {});
    if (parts.run !== null) {
      this.#known.resolve(parts.run);
    }
    this.listen();
  }

  /** Asks the server to cancel the run, as soon as its id is known. What is still to come is read as before. */
  async cancel(): Promise<RunResource> {
    return this.#parts.cancel(await this.#known.promise);
  }

  protected override get backoff(): Backoff {
    // Until the run's id is known, its start is what is tried again.
    return this.run === null ? this.#parts.opening : super.backoff;
  }

  protected override gaveUp(reason: unknown): void {
    this.#known.reject(reason);
  }

  protected override tell(status: LinkStatus): void {
    const { state, ...more } = status;
    this.#parts.onStatus?.({ state, cursor: this.cursor, ...more });
  }

  protected override async open(signal: AbortSignal): Promise<Response> {
    const response = await this.#parts.open(this.run, this.cursor, signal);
    this.run ??= response.headers.get("x-run-id");
    if (this.run === null) {
      throw new ParseError("The server did not say which run it started");
    }
    this.#known.resolve(this.run);
    return response;
  }

  protected override async *read(reader: StreamReader): AsyncGenerator<ProtocolRecord, void, undefined> {
    let mayJump = this.#parts.fromSnapshot && this.cursor === 0;
    for await (const records of reader.decoded(decodeRecord)) {
      for (const record of records) {
        this.check();
        if (record.seq > this.cursor) {
          if (!mayJump && record.seq !== this.cursor + 1) {
            throw new ParseError(`Record ${record.seq} came after record ${this.cursor}: there is a gap`);
          }
          // A past that did not fit a snapshot is replayed in joined pieces, whose seqs jump.
          mayJump = mayJump && record.type !== "snapshot";
          this.cursor = record.seq;
          super.backoff.progressed();
          if (record.type === "status") {
            this.#parts.onProgress?.(record.data);
          }
          yield record;
        }
        if (isFinal(record)) {
          return;
        }
      }
    }
  }
}
