/**
 * Follows several runs over one connection: a browser has six to a server that speaks HTTP/1.1. An entry of its own,
 * so that who follows one run does not load it.
 */

import { Backoff } from "./backoff.ts";
import { type ClientError, NotFound, ParseError, ServerError } from "./errors.ts";
import { Follower, type FollowerParts, type LinkStatus } from "./follower.ts";
import type { ProtocolRecord } from "./protocol.ts";
import type { StreamReader } from "./reader.ts";
import { decodeNamed, isFinal } from "./record.ts";
import type { Headwater } from "./service.ts";

/** The most that one connection carries. */
export const RUNS_MAX = 32;

/** A run, and the seq of its newest record that is known: 0 for none. */
export interface Place {
  readonly run: string;
  readonly after?: number;
}

/** A record with the run that it is of, or why there will be no more of that run. The others go on. */
export type RunItem =
  | { readonly run: string; readonly record: ProtocolRecord; readonly error?: never }
  | { readonly run: string; readonly error: ServerError; readonly record?: never };

export interface FollowManyOptions {
  /** Must not throw. */
  readonly onStatus?: (status: LinkStatus) => void;
  /** Ends it, as `close` does. */
  readonly signal?: AbortSignal;
}

/**
 * The records of several runs after their cursors; made by `followMany`. It is iterated once, to the end of them all.
 *
 * What is wrong with one run (`NotFound`, `CursorAhead`, `CursorTrimmed`) is an item, and the others go on. Throws,
 * from the iteration, what `Subscription` throws beside that.
 */
export class ManySubscription extends Follower<RunItem> {
  /** Of each run the seq of the newest record given out: what to save, and to give as `after` another day. */
  readonly cursors: Map<string, number>;
  readonly #live: Set<string>;
  readonly #connect: (path: string, signal: AbortSignal) => Promise<Response>;
  readonly #onStatus: FollowManyOptions["onStatus"];

  constructor(
    places: readonly Place[],
    parts: FollowerParts,
    connect: (path: string, signal: AbortSignal) => Promise<Response>,
    onStatus: FollowManyOptions["onStatus"],
  ) {
    super(parts);
    this.cursors = new Map(places.map(({ run, after = 0 }) => [run, after]));
    this.#live = new Set(this.cursors.keys());
    this.#connect = connect;
    this.#onStatus = onStatus;
    this.listen();
  }

  protected override tell(status: LinkStatus): void {
    this.#onStatus?.(status);
  }

  protected override open(signal: AbortSignal): Promise<Response> {
    // The last run may have been given up.
    if (this.#live.size === 0) {
      return Promise.resolve(new Response(null, { status: 204 }));
    }
    const places = Array.from(this.#live, (run) => `run=${encodeURIComponent(run)}:${this.cursors.get(run)}`);
    return this.#connect(`/api/v1/events?${places.join("&")}`, signal);
  }

  protected override absorb(error: ClientError): RunItem | null {
    const run = error instanceof ServerError && !error.retryable ? error.problem.run : null;
    if (typeof run !== "string" || !this.#live.delete(run)) {
      return null;
    }
    return { run, error: error as ServerError };
  }

  protected override async *read(reader: StreamReader): AsyncGenerator<RunItem, void, undefined> {
    for await (const told of reader.decoded(decodeNamed)) {
      for (const { run, record, end } of told) {
        this.check();
        const item = record === undefined ? this.#ended(run, end) : this.#next(run, record);
        if (item !== null) {
          this.backoff.progressed();
          yield item;
        }
        if (this.#live.size === 0) {
          return;
        }
      }
    }
  }

  #next(run: string, record: ProtocolRecord): RunItem | null {
    const cursor = this.cursors.get(run);
    if (cursor === undefined || !this.#live.has(run) || record.seq <= cursor) {
      return null;
    }
    if (record.seq !== cursor + 1) {
      throw new ParseError(`Record ${record.seq} came after record ${cursor}: there is a gap`);
    }
    this.cursors.set(run, record.seq);
    if (isFinal(record)) {
      this.#live.delete(run);
    }
    return { run, record };
  }

  #ended(run: string, reason: string): RunItem | null {
    const awaited = this.#live.delete(run);
    if (!awaited || reason !== "deleted") {
      return null;
    }
    return { run, error: new NotFound(404, { code: "NOT_FOUND", detail: "The run was deleted.", run }) };
  }
}

/** The records of 1 to 32 different runs, over as many connections as it takes, one at a time. */
export function followMany(
  headwater: Headwater,
  places: readonly Place[],
  options: FollowManyOptions = {},
): ManySubscription {
  const { http, timing, wakes, followRetry, random } = headwater.parts;
  if (places.length === 0 || places.length > RUNS_MAX || new Set(places.map(({ run }) => run)).size < places.length) {
    throw new RangeError(`1 to ${RUNS_MAX} different runs are followed together`);
  }
  if (places.some(({ after = 0 }) => !Number.isInteger(after) || after < 0)) {
    throw new RangeError("a cursor is 0 or the seq of a record");
  }
  const parts = { following: new Backoff(followRetry, random), timing, wakes, signal: options.signal };
  const connect = (path: string, signal: AbortSignal): Promise<Response> =>
    http.open({ method: "GET", path }, 2.5 * timing.heartbeatMs, signal);
  return new ManySubscription(places, parts, connect, options.onStatus);
}
