/**
 * One connection for all tabs of a browser: `new Headwater({ fetch: sharedFetch() })`.
 *
 * A Web Lock chooses the tab that has the connection, and a BroadcastChannel carries what comes to the others. When
 * that tab is closed the lock goes to another, which opens the connection behind what each tab has.
 */

import { asksForEvents, EventBody } from "./event-body.ts";
import { Http } from "./http.ts";
import { Leader } from "./leader.ts";
import type { LeaderMessage, TabMessage, WantedRun } from "./tab-messages.ts";
import { browserWakes } from "./wakes.ts";

export interface SharedFetchOptions {
  /** As the client has it. */
  readonly baseUrl?: string;
  /** As the client has them. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch?: typeof fetch;
  /** Tabs with one name share. Those of different users of one origin must not. */
  readonly name?: string;
  readonly heartbeatMs?: number;
  /** How long nobody may answer before a tab goes its own way: the tab with the connection may be stopped. */
  readonly patienceMs?: number;
}

/** A `fetch` that can be ended. */
export interface SharedFetch {
  (...asked: Parameters<typeof fetch>): Promise<Response>;
  /** Streams end, and another tab may have the connection. */
  close(): void;
}

/** In the name: tabs with pages of different ages understand each other, or do not meet. */
const MESSAGES_VERSION = 1;
const EVENTS_OF_ONE = /^\/api\/v1\/runs\/([^/]+)\/events$/;

/**
 * Makes a `fetch` that takes part. Only streams of records after a cursor are shared; all else goes to the real one,
 * and so does everything where the platform has no Web Locks or no BroadcastChannel, as on a page that came over plain
 * HTTP from another machine.
 */
export function sharedFetch(options: SharedFetchOptions = {}): SharedFetch {
  const plain: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  if (globalThis.navigator?.locks === undefined || globalThis.BroadcastChannel === undefined) {
    return Object.assign((...asked: Parameters<typeof fetch>) => plain(...asked), { close: () => {} });
  }
  const { baseUrl = globalThis.location?.origin ?? "http://127.0.0.1:8000", headers = {} } = options;
  const tab = new Tab({ ...options, baseUrl }, plain);
  const sent = ["accept", ...Object.keys(headers).map((name) => name.toLowerCase())];
  const base = new URL(baseUrl, globalThis.location?.href).href.replace(/\/+$/, "");
  const shared: typeof fetch = (input, init) => {
    const address = input instanceof Request ? null : new URL(String(input), globalThis.location?.href);
    const wanted = address?.href.startsWith(`${base}/`) ? wantedBy(address, base) : null;
    return wanted === null || !asksForEvents(init, sent)
      ? plain(input, init)
      : tab.open(wanted.runs, wanted.named, init?.signal ?? null, () => plain(input, init));
  };
  return Object.assign(shared, { close: () => tab.close() });
}

interface Wanted {
  readonly runs: readonly WantedRun[];
  /** Of several runs each record says which it is of. */
  readonly named: boolean;
}

function wantedBy(address: URL, base: string): Wanted | null {
  const path = address.pathname.slice(new URL(base).pathname.replace(/\/+$/, "").length);
  const query = [...address.searchParams];
  const one = EVENTS_OF_ONE.exec(path)?.[1];
  if (one !== undefined && query.every(([name]) => name === "after")) {
    return { runs: [{ run: decodeURIComponent(one), after: Number(address.searchParams.get("after")) }], named: false };
  }
  if (path === "/api/v1/events" && query.every(([name]) => name === "run")) {
    const places = query.map(([, place]) => place.split(":"));
    return { runs: places.map(([run = "", after = "0"]) => ({ run, after: Number(after) })), named: true };
  }
  return null;
}

/** This tab: its streams, and the connection of all where it is its turn. */
class Tab {
  readonly #id = crypto.randomUUID();
  readonly #channel: BroadcastChannel;
  readonly #streams = new Set<SharedStream>();
  readonly #closed = new AbortController();
  readonly #patienceMs: number;

  constructor(options: SharedFetchOptions & { readonly baseUrl: string }, plain: typeof fetch) {
    const { baseUrl, headers = {}, heartbeatMs = 15_000 } = options;
    const { name = `headwater ${MESSAGES_VERSION} ${baseUrl}`, patienceMs = 3000 } = options;
    this.#patienceMs = patienceMs;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<LeaderMessage>) => this.#take(data);
    const { signal } = this.#closed;
    const held = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    // Held for as long as the tab is there, so that others see when it is not.
    this.#hold(`${name} ${this.#id}`, () => held);
    this.#hold(name, async () => {
      const leader = new Leader({
        channel: new BroadcastChannel(name),
        http: new Http(baseUrl, headers, plain),
        silenceMs: 2.5 * heartbeatMs,
        wakes: browserWakes,
        watch: (tab, gone) => this.#hold(`${name} ${tab}`, async () => gone()),
      });
      await held;
      leader.close();
    });
  }

  open(
    runs: readonly WantedRun[],
    named: boolean,
    signal: AbortSignal | null,
    alone: () => Promise<Response>,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const tell = (message: TabMessage): void => {
        if (!this.#closed.signal.aborted) {
          this.#channel.postMessage(message);
        }
      };
      const stream = new SharedStream(this.#id, runs, named, tell, resolve, reject);
      this.#streams.add(stream);
      const timer = setTimeout(() => stream.goAlone(alone), this.#patienceMs);
      const aborted = (): void => stream.fail(signal?.reason);
      signal?.addEventListener("abort", aborted);
      stream.whenOver(() => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
        this.#streams.delete(stream);
      });
      if (signal?.aborted || this.#closed.signal.aborted) {
        stream.fail(signal?.reason ?? new TypeError("The shared connection was closed"));
      } else {
        stream.want();
      }
    });
  }

  close(): void {
    for (const stream of [...this.#streams]) {
      stream.fail(new TypeError("The shared connection was closed"));
    }
    this.#closed.abort();
    this.#channel.close();
  }

  #hold(name: string, work: () => Promise<void>): void {
    // A turn that comes after this tab has been closed is let go of at once.
    void navigator.locks.request(name, async () => (this.#closed.signal.aborted ? undefined : work()));
  }

  #take(message: LeaderMessage | TabMessage): void {
    for (const stream of [...this.#streams]) {
      stream.take(message);
    }
  }
}

/** One stream of this tab: what it has, and the response that is written from what comes. */
class SharedStream {
  readonly #tab: string;
  readonly #reader = crypto.randomUUID();
  readonly #cursors: Map<string, number>;
  readonly #named: boolean;
  readonly #tell: (message: TabMessage) => void;
  readonly #resolve: (response: Response | Promise<Response>) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #body = new EventBody(() => this.#leave());
  #taken = false;
  #opened = false;
  #over: () => void = () => {};

  constructor(
    tab: string,
    runs: readonly WantedRun[],
    named: boolean,
    tell: (message: TabMessage) => void,
    resolve: (response: Response | Promise<Response>) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#tab = tab;
    this.#cursors = new Map(runs.map(({ run, after }) => [run, after]));
    this.#named = named;
    this.#tell = tell;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  whenOver(over: () => void): void {
    this.#over = over;
  }

  /** Says what it wants, behind what it has. */
  want(): void {
    const runs = Array.from(this.#cursors, ([run, after]) => ({ run, after }));
    this.#tell({ kind: "want", tab: this.#tab, reader: this.#reader, runs });
  }

  fail(reason: unknown): void {
    this.#reject(reason);
    this.#body.fail(reason);
  }

  /** Nobody has answered: then it is a connection of this stream's own. */
  goAlone(open: () => Promise<Response>): void {
    if (!this.#taken) {
      this.#resolve(open());
      this.#body.end();
    }
  }

  take(message: LeaderMessage | TabMessage): void {
    switch (message.kind) {
      case "leads":
        this.want();
        break;
      case "taken":
        this.#taken ||= message.reader === this.#reader;
        break;
      case "opened":
        if ([...this.#cursors.keys()].every((run) => message.runs.includes(run))) {
          this.#open();
        }
        break;
      case "record":
        this.#record(message.run, message.seq, message.json);
        break;
      case "ended":
        this.#ended(message.run, message.seq, message.reason);
        break;
      case "refused":
        this.#refused(message.run, message.status, message.problem);
        break;
      case "lost":
        if (this.#taken) {
          this.fail(new TypeError("The shared connection broke"));
        }
        break;
      case "alive":
        this.#body.comment();
        break;
      default:
    }
  }

  #open(): void {
    if (!this.#opened) {
      this.#opened = true;
      this.#resolve(this.#body.response());
    }
  }

  #record(run: string, seq: number, json: string): void {
    // What is behind was read for another tab, and what is ahead comes again: the connection is opened where this is.
    if (this.#cursors.get(run) === seq - 1) {
      this.#cursors.set(run, seq);
      this.#body.event(this.#named ? `{"run":${JSON.stringify(run)},${json.slice(1)}` : json, String(seq));
    }
  }

  #ended(run: string, seq: number, reason: string): void {
    const cursor = this.#cursors.get(run);
    // Who is behind has asked for the rest, and the leader has not heard of it yet.
    if (cursor === undefined || (cursor < seq && reason === "closed")) {
      return;
    }
    this.#cursors.delete(run);
    if (this.#named) {
      this.#body.event(JSON.stringify({ run, end: { reason } }));
    }
    if (this.#cursors.size > 0) {
      return;
    }
    if (!this.#opened) {
      this.#resolve(new Response(null, { status: 204 }));
    }
    this.#body.end();
  }

  #refused(run: string, status: number, problem: object): void {
    if (!this.#cursors.has(run)) {
      return;
    }
    if (!this.#opened) {
      const { retry_after_ms: ms } = problem as { readonly retry_after_ms?: number };
      const headers = ms === undefined ? {} : { "Retry-After": String(Math.ceil(ms / 1000)) };
      this.#resolve(new Response(JSON.stringify(problem), { status, headers }));
    }
    this.#body.fail(new TypeError("The server has no more of this run"));
  }

  #leave(): void {
    this.#tell({ kind: "leave", reader: this.#reader });
    this.#over();
  }
}
