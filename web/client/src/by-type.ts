/**
 * Follows some of a run's records, by their types: its steps, and not its tokens. An entry of its own, so that who
 * follows whole runs does not load it.
 */

import { Backoff } from "./backoff.ts";
import { NetworkError } from "./errors.ts";
import { Follower, type FollowerParts, type LinkStatus } from "./follower.ts";
import type { ProtocolRecord } from "./protocol.ts";
import type { StreamReader } from "./reader.ts";
import { decodeRecord, isFinal } from "./record.ts";
import type { Headwater } from "./service.ts";

export interface FollowTypesOptions {
  /** Only what comes after this seq: the `cursor` of an earlier subscription. */
  readonly after?: number;
  /** Must not throw. */
  readonly onStatus?: (status: LinkStatus) => void;
  /** Ends the subscription, as `close` does. */
  readonly signal?: AbortSignal;
}

type Open = (after: number, signal: AbortSignal) => Promise<Response>;

/**
 * The records of some types after a cursor; made by `followTypes`. It is iterated once, and ends with the run.
 *
 * Throws, from the iteration, what `Subscription` throws, but for gaps: what is left out looks like what was lost.
 */
export class TypesSubscription extends Follower<ProtocolRecord> {
  /** The seq up to which nothing is missing: it moves over records that are left out, too. */
  cursor: number;
  readonly #connect: Open;
  readonly #onStatus: FollowTypesOptions["onStatus"];

  constructor(after: number, parts: FollowerParts, connect: Open, onStatus: FollowTypesOptions["onStatus"]) {
    super(parts);
    this.cursor = after;
    this.#connect = connect;
    this.#onStatus = onStatus;
    this.listen();
  }

  protected override tell(status: LinkStatus): void {
    this.#onStatus?.(status);
  }

  protected override open(signal: AbortSignal): Promise<Response> {
    return this.#connect(this.cursor, signal);
  }

  protected override async *read(reader: StreamReader): AsyncGenerator<ProtocolRecord, void, undefined> {
    for await (const frames of reader.frames()) {
      for (const { data } of frames) {
        this.check();
        const record = decodeRecord(data);
        if (this.#moved(record.seq)) {
          yield record;
        }
        if (isFinal(record)) {
          return;
        }
      }
      this.#moved(Number(reader.lastEventId));
    }
    throw new NetworkError("The connection ended before the run did");
  }

  #moved(seq: number): boolean {
    if (!(seq > this.cursor)) {
      return false;
    }
    this.cursor = seq;
    this.backoff.progressed();
    return true;
  }
}

/** The records of these types, over as many connections as it takes. */
export function followTypes(
  headwater: Headwater,
  run: string,
  types: readonly ProtocolRecord["type"][],
  options: FollowTypesOptions = {},
): TypesSubscription {
  const { http, timing, wakes, followRetry, random } = headwater.parts;
  const { after = 0 } = options;
  if (!Number.isInteger(after) || after < 0) {
    throw new RangeError("a cursor is 0 or the seq of a record");
  }
  const path = `/api/v1/runs/${encodeURIComponent(run)}/events`;
  const connect: Open = (cursor, signal) =>
    http.open({ method: "GET", path, query: { after: cursor, types: `${types}` } }, 2.5 * timing.heartbeatMs, signal);
  const parts = { following: new Backoff(followRetry, random), timing, wakes, signal: options.signal };
  return new TypesSubscription(after, parts, connect, options.onStatus);
}
