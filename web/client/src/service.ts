/** The client's front: starts runs, reads them, follows them over breaking connections, stops them. */

import { Backoff, CALL_RETRY, type RetryPolicy } from "./backoff.ts";
import { Cancelled, ClientError, NotFound, ParseError } from "./errors.ts";
import { sleep, type Timing } from "./follower.ts";
import { type Call, Http } from "./http.ts";
import { objectIn } from "./json.ts";
import type {
  ModelList,
  ModelResource,
  ProviderList,
  ProviderResource,
  RunList,
  RunRequest,
  RunResource,
  RunState,
} from "./protocol.ts";
import { type Opener, type ProgressCallback, type StatusCallback, Subscription } from "./subscription.ts";
import { browserWakes, type Wakes } from "./wakes.ts";

const RUNS = "/api/v1/runs";

export interface HeadwaterOptions {
  /** The server's address; left out, the page's own server, or in a program http://127.0.0.1:8000. */
  readonly baseUrl?: string;
  /** Go with every request (a key, an organisation). */
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch?: typeof fetch;
  /** Gives the jitter, numbers from 0 to 1. */
  readonly random?: () => number;
  readonly timing?: Partial<Timing>;
  /** For requests and for the start of a run: three more tries, if nothing else is said. */
  readonly callRetry?: Partial<RetryPolicy>;
  /** For following a run: three more tries in a row without progress, if nothing else is said. */
  readonly followRetry?: Partial<RetryPolicy>;
  readonly wakes?: Wakes;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface StartOptions extends CallOptions {
  /** Of all requests with one key one makes a run; left out, the client makes a key for the call. */
  readonly idempotencyKey?: string;
}

export interface ListOptions extends CallOptions {
  /** One state, or several by commas. */
  readonly state?: RunState | `${RunState},${string}`;
  readonly workflow?: string;
  readonly model?: string;
  /** 1 to 200. */
  readonly limit?: number;
  /** The `next` of the page before. */
  readonly cursor?: string;
}

export interface FollowOptions {
  /** Only what comes after this seq: the `cursor` of an earlier subscription. */
  readonly after?: number;
  /** Begin with one `snapshot` record in place of all that came before; `after` wins over it. */
  readonly fromSnapshot?: boolean;
  /** What the connection does. Must not throw. */
  readonly onStatus?: StatusCallback;
  /** What the run says of its progress, each before it is given out. Must not throw. */
  readonly onProgress?: ProgressCallback;
  /** Ends the subscription, as `close` does. */
  readonly signal?: AbortSignal;
}

type FollowCallbacks = Pick<FollowOptions, "onStatus" | "onProgress" | "signal">;

/** What every connection of a client has in common. */
export interface HeadwaterParts {
  readonly http: Http;
  readonly timing: Timing;
  readonly random: () => number;
  readonly callRetry: RetryPolicy;
  readonly followRetry: RetryPolicy;
  readonly wakes: Wakes;
}

export type StartAndFollowOptions = StartOptions & Pick<FollowOptions, "onStatus" | "onProgress">;

/**
 * One server.
 *
 *     const headwater = new Headwater();
 *     for await (const record of headwater.startAndFollow({ model: "simulated", messages })) { … }
 *
 * Every method may throw `NetworkError`, `TimedOut`, `ServerError` (with its kinds), `ParseError`, `Cancelled` where
 * the caller's `signal` was aborted, and `MaxRetriesExceeded` after several tries; they all are `ClientError`s. What is
 * tried again is safe to try again: readings, and changes that the server makes once however often they are asked for.
 */
export class Headwater {
  /** What other ways of reading are made of, in entries of their own. */
  readonly parts: HeadwaterParts;

  constructor(options: HeadwaterOptions = {}) {
    const ownServer = "location" in globalThis ? "" : "http://127.0.0.1:8000";
    const send: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.parts = {
      http: new Http(options.baseUrl ?? ownServer, options.headers ?? {}, send),
      timing: { heartbeatMs: 15_000, sleep, ...options.timing },
      random: options.random ?? Math.random,
      callRetry: { ...CALL_RETRY, ...options.callRetry },
      followRetry: { ...CALL_RETRY, ...options.followRetry },
      wakes: options.wakes ?? browserWakes,
    };
  }

  /** Starts a run. A lost answer is asked for again with the same key. Throws `Conflict` for a key used otherwise. */
  start(request: RunRequest, options: StartOptions = {}): Promise<RunResource> {
    return this.#run({ ...post(RUNS, options), body: JSON.stringify(request) }, options.signal);
  }

  /** The run, what was asked, and its snapshot. Throws `NotFound`. */
  get(run: string, options: CallOptions = {}): Promise<RunResource> {
    return this.#run({ method: "GET", path: pathOf(run) }, options.signal);
  }

  /** The caller's runs, newest first. */
  async list(options: ListOptions = {}): Promise<RunList> {
    const { signal, ...query } = options;
    const read = (body: string) => checked<RunList>(body, (page) => Array.isArray(page.runs));
    return this.#call({ method: "GET", path: RUNS, query }, read, signal);
  }

  /** Asks for a cancel: durable, and the same however often it is asked. The run as it then stands. */
  cancel(run: string, options: CallOptions = {}): Promise<RunResource> {
    return this.#run({ method: "POST", path: `${pathOf(run)}/cancel` }, options.signal);
  }

  /** A new run with the same input, linked to the old one; a lost answer is asked for again, as in `start`. */
  retry(run: string, options: StartOptions = {}): Promise<RunResource> {
    return this.#run(post(`${pathOf(run)}/retry`, options), options.signal);
  }

  /** Cancels the run if it is live, waits for its end, and purges it. Throws `NotFound`. */
  async delete(run: string, options: CallOptions = {}): Promise<void> {
    let askedBefore = false;
    try {
      const failed = () => {
        askedBefore = true;
      };
      await this.#call({ method: "DELETE", path: pathOf(run) }, () => {}, options.signal, failed);
    } catch (error) {
      // A try whose answer was lost may have done it.
      if (!(askedBefore && error instanceof NotFound)) {
        throw error;
      }
    }
  }

  /** What can be called. */
  async models(options: CallOptions = {}): Promise<ModelResource[]> {
    const read = (body: string) => checked<ModelList>(body, (page) => Array.isArray(page.models)).models;
    return this.#call({ method: "GET", path: "/api/v1/models" }, read, options.signal);
  }

  /** How the models have been lately, by provider. */
  async providers(options: CallOptions = {}): Promise<ProviderResource[]> {
    const read = (body: string) => checked<ProviderList>(body, (page) => Array.isArray(page.providers)).providers;
    return this.#call({ method: "GET", path: "/api/v1/providers" }, read, options.signal);
  }

  /** The run's records after a cursor, over as many connections as it takes, to the final one. */
  follow(run: string, options: FollowOptions = {}): Subscription {
    const { after = 0, fromSnapshot = false } = options;
    if (!Number.isInteger(after) || after < 0) {
      throw new RangeError("a cursor is 0 or the seq of a record");
    }
    const open: Opener = (_, cursor, signal) => this.#openRun(run, cursor, fromSnapshot, signal);
    return this.#subscription(run, after, fromSnapshot, open, options);
  }

  /**
   * Starts a run with the first step of the iteration, and follows it, on one connection while that holds.
   *
   * The subscription's `run` is the id as soon as the server has said it.
   */
  startAndFollow(request: RunRequest, options: StartAndFollowOptions = {}): Subscription {
    return this.openAndFollow({ ...post(RUNS, options), body: JSON.stringify(request) }, options);
  }

  /**
   * The same with a call of another route. It is asked again where its answer was lost, and its answer is a stream that
   * names its run.
   */
  openAndFollow(call: Call, options: FollowCallbacks = {}): Subscription {
    const open: Opener = (run, cursor, signal) =>
      run === null ? this.parts.http.open(call, this.#silenceMs, signal) : this.#openRun(run, cursor, false, signal);
    return this.#subscription(null, 0, false, open, options);
  }

  get #silenceMs(): number {
    return 2.5 * this.parts.timing.heartbeatMs;
  }

  #openRun(run: string, cursor: number, fromSnapshot: boolean, signal: AbortSignal): Promise<Response> {
    const query = fromSnapshot && cursor === 0 ? { from: "snapshot" } : { after: cursor };
    return this.parts.http.open({ method: "GET", path: `${pathOf(run)}/events`, query }, this.#silenceMs, signal);
  }

  #subscription(
    run: string | null,
    after: number,
    fromSnapshot: boolean,
    open: Opener,
    options: FollowCallbacks,
  ): Subscription {
    return new Subscription({
      open,
      run,
      after,
      fromSnapshot,
      opening: new Backoff(this.parts.callRetry, this.parts.random),
      following: new Backoff(this.parts.followRetry, this.parts.random),
      timing: this.parts.timing,
      wakes: this.parts.wakes,
      cancel: (known) => this.cancel(known),
      onStatus: options.onStatus,
      onProgress: options.onProgress,
      signal: options.signal,
    });
  }

  #run(call: Call, signal: AbortSignal | undefined): Promise<RunResource> {
    return this.#call(call, (body) => checked<RunResource>(body, (run) => typeof run.id === "string"), signal);
  }

  /** What `read` makes of the answer. An answer that it can not read is asked for again too: a browser takes the
   * first bytes of a head for a whole one, and the answer for empty. */
  async #call<Answer>(
    call: Call,
    read: (body: string) => Answer,
    signal?: AbortSignal,
    failed: () => void = () => {},
  ): Promise<Answer> {
    const backoff = new Backoff(this.parts.callRetry, this.parts.random);
    const waiting = signal ?? new AbortController().signal;
    for (;;) {
      if (waiting.aborted) {
        throw new Cancelled("The call was stopped", { cause: waiting.reason });
      }
      let delayMs: number;
      try {
        return read(await this.parts.http.call(call, signal));
      } catch (error) {
        if (!(error instanceof ClientError)) {
          throw error;
        }
        delayMs = backoff.delayMs(error);
        failed();
      }
      await this.parts.timing.sleep(delayMs, waiting);
    }
  }
}

/** A key of 128 random bits. */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function post(path: string, options: StartOptions): Call {
  return { method: "POST", path, headers: { "Idempotency-Key": options.idempotencyKey ?? newIdempotencyKey() } };
}

function pathOf(run: string): string {
  return `${RUNS}/${encodeURIComponent(run)}`;
}

function checked<Resource>(body: string, fits: (value: Record<string, unknown>) => boolean): Resource {
  const value = objectIn(body);
  if (!fits(value)) {
    throw new ParseError("The server's answer is not the resource that was asked for");
  }
  return value as Resource;
}
