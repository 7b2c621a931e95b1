/**
 * Many runs over one WebSocket: `new Headwater({ fetch: webSocketFetch() })`. An entry of its own, so that who reads
 * event streams does not load it.
 */

import { NetworkError } from "./errors.ts";
import { EventBody } from "./event-body.ts";
import { EVENT_STREAM } from "./http.ts";
import { type Asked, type SocketMessage, SocketStream, type Told } from "./socket-stream.ts";

/** The most that the server lets one socket carry. */
const RUNS_MAX = 1000;
/** A request larger than this is one of HTTP's: its refusal says what is wrong, where a socket is just closed. */
const REQUEST_CHARS_MAX = 1_000_000;
/** Of runs whose readers are about to ask again; one that is forgotten costs another question. */
const ENDED_MAX = 100;
/** While there is something for one stream, the others hear so often that the socket lives. */
const ALIVE_MS = 1000;
/** What a request over a socket can say; one with other headers (a key) goes the way that can. */
const SENT: ReadonlySet<string> = new Set(["accept", "content-type", "idempotency-key"]);
/** The same of an address. */
const SAID: ReadonlySet<string> = new Set(["after", "from", "types"]);
const EVENTS_PATH = /^(.*\/api\/v1\/)runs\/([^/]+)\/events$/;
const RUNS_PATH = /^(.*\/api\/v1\/)runs$/;

export interface WebSocketFetchOptions {
  /** The platform's own, if nothing else is said. */
  readonly WebSocket?: typeof WebSocket;
  /** For all requests that are none for a socket. */
  readonly fetch?: typeof fetch;
  /** As the client's `timing` has it: how often a silent server says that it lives. */
  readonly heartbeatMs?: number;
}

/**
 * A `fetch` that starts runs and reads them over one WebSocket, for as long as there is something to read, and gives
 * everything else to the real one. What comes out is an event stream all the same, so that its reader need not know.
 *
 * A socket that breaks breaks all its streams, whose readers come back by their own rules, over another one. Where none
 * can be opened a run is started by the real fetch, and `fallbackFetch(webSocketFetch(), fetch)` reads event streams.
 */
export function webSocketFetch(options: WebSocketFetchOptions = {}): typeof fetch {
  const plain: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const { WebSocket: Socket = globalThis.WebSocket, heartbeatMs = 15_000 } = options;
  const lines = new Set<Line>();
  /** Tails of closed logs that were told of too late to answer with 204. */
  const ended = new Map<string, number>();
  return (input, init) => {
    const wanted = Socket === undefined || input instanceof Request ? null : wantedBy(input, init);
    if (wanted === null) {
      return plain(input, init);
    }
    const { address, run, after, message } = wanted;
    if (run !== null && after >= (ended.get(run) ?? Number.POSITIVE_INFINITY)) {
      ended.delete(run);
      return Promise.resolve(new Response(null, { status: 204 }));
    }
    // What is started is started once, by its key, whichever way it is asked for.
    const instead = run === null ? () => plain(input, init) : null;
    let line = [...lines].find((each) => each.takes(address, run));
    if (line === undefined) {
      let socket: WebSocket;
      try {
        socket = new Socket(address);
      } catch (cause) {
        // A page may be refused one before anything is sent.
        return instead?.() ?? Promise.reject(new TypeError("A WebSocket can not be opened", { cause }));
      }
      line = new Line(socket, address, heartbeatMs, (gone) => lines.delete(gone));
      lines.add(line);
    }
    const endedLate = (name: string, tail: number): void => {
      if (ended.size >= ENDED_MAX) {
        ended.clear();
      }
      ended.set(name, tail);
    };
    return line.open(run, message, init?.signal ?? null, { endedLate, instead });
  };
}

interface Wanted {
  readonly address: string;
  readonly run: string | null;
  readonly after: number;
  readonly message: object;
}

/** What a request is on a socket; null for one that is none. */
function wantedBy(input: string | URL, init: RequestInit | undefined): Wanted | null {
  const headers = new Headers(init?.headers);
  if (headers.get("accept") !== EVENT_STREAM || ![...headers.keys()].every((name) => SENT.has(name))) {
    return null;
  }
  const url = new URL(String(input), globalThis.location?.href);
  const method = init?.method ?? "GET";
  const [, base, name] = (method === "GET" ? EVENTS_PATH : RUNS_PATH).exec(url.pathname) ?? [];
  if (base === undefined) {
    return null;
  }
  const address = `${url.origin.replace(/^http/, "ws")}${base}ws`;
  if (name === undefined) {
    const body = init?.body;
    const key = headers.get("idempotency-key") ?? undefined;
    const fits = method === "POST" && url.search === "" && typeof body === "string" && body.length <= REQUEST_CHARS_MAX;
    return fits
      ? { address, run: null, after: 0, message: { op: "start", request: JSON.parse(body), idempotency_key: key } }
      : null;
  }
  const query = new Map(url.searchParams);
  const after = Number(query.get("after") ?? 0);
  const run = decodeURIComponent(name);
  const place = query.has("from") ? { from: query.get("from") } : { after };
  const types = query.get("types")?.split(",");
  const fits = [...query.keys()].every((each) => SAID.has(each)) && !(query.has("from") && query.has("after"));
  return fits ? { address, run, after, message: { op: "subscribe", run, ...place, types } } : null;
}

/** One socket and the streams that it carries. It is closed when the last of them is over, and breaks with them all. */
class Line {
  readonly #socket: WebSocket;
  readonly #address: string;
  readonly #heartbeatMs: number;
  readonly #gone: (line: Line) => void;
  readonly #streams = new Set<SocketStream>();
  /** Those whose run is known. */
  readonly #byRun = new Map<string, SocketStream>();
  /** What the server has not answered yet, in order. */
  readonly #asked = new Map<number, Asked>();
  /** What waits for the handshake. */
  #unsent: string[] | null = [];
  #hasOpened = false;
  #ids = 0;
  #heardAt = Date.now();
  #toldAt = 0;

  constructor(socket: WebSocket, address: string, heartbeatMs: number, gone: (line: Line) => void) {
    this.#socket = socket;
    this.#address = address;
    this.#heartbeatMs = heartbeatMs;
    this.#gone = gone;
    socket.onopen = () => {
      for (const text of this.#unsent ?? []) {
        socket.send(text);
      }
      this.#unsent = null;
      this.#hasOpened = true;
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => this.#take(data);
    socket.onclose = socket.onerror = () => this.#break();
  }

  takes(address: string, run: string | null): boolean {
    const free = run === null || !this.#byRun.has(run);
    return address === this.#address && free && this.#streams.size < RUNS_MAX;
  }

  open(
    run: string | null,
    message: object,
    signal: AbortSignal | null,
    ways: Pick<Told, "endedLate" | "instead">,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        // Whoever gives up before the answer, or because the network changed, does not trust this socket.
        const suspect = !stream.isAnswered || signal?.reason instanceof NetworkError;
        reject(signal?.reason);
        stream.fail(signal?.reason);
        if (suspect) {
          this.#break();
        }
      };
      const body = new EventBody(() => {
        signal?.removeEventListener("abort", aborted);
        this.#leave(stream);
      });
      const stream: SocketStream = new SocketStream(run, body, { resolve, reject, ...ways });
      this.#streams.add(stream);
      if (run !== null) {
        this.#byRun.set(run, stream);
      }
      signal?.addEventListener("abort", aborted);
      if (signal?.aborted) {
        aborted();
      } else {
        this.#ask(message, (answer) => this.#answered(stream, answer));
      }
    });
  }

  #ask(message: object, answered: Asked): void {
    this.#ids += 1;
    this.#asked.set(this.#ids, answered);
    this.#send({ id: this.#ids, ...message });
  }

  #send(message: object): void {
    const text = JSON.stringify(message);
    if (this.#unsent === null) {
      this.#socket.send(text);
    } else {
      this.#unsent.push(text);
    }
  }

  #answered(stream: SocketStream, { ok, error }: SocketMessage): void {
    if (error !== undefined || ok === undefined) {
      stream.refuse(error ?? {});
    } else if (stream.run !== null) {
      // Where the log is closed behind the cursor, the server says so before it answers this.
      this.#ask({ op: "ping" }, () => stream.opened());
      stream.isAnswered = true;
    } else {
      const { run = "", created = false } = ok;
      const isTaken = this.#byRun.has(run);
      if (!isTaken) {
        this.#byRun.set(run, stream);
      }
      stream.started(run, created);
      if (isTaken) {
        // Another stream of this socket has its records: this one reads on over another socket.
        stream.fail(new TypeError("The run is read on this socket already"));
      }
    }
  }

  #take(data: unknown): void {
    this.#heardAt = Date.now();
    let message: SocketMessage;
    try {
      message = JSON.parse(String(data)) as SocketMessage;
    } catch {
      this.#break();
      return;
    }
    const { id, run, farewell } = message;
    if (id !== undefined) {
      // What the server could not read has no id, and answers come in order.
      const answered = id ?? this.#asked.keys().next().value ?? 0;
      const asked = this.#asked.get(answered);
      this.#asked.delete(answered);
      asked?.(message);
    } else if (run !== undefined) {
      this.#byRun.get(run)?.take(message);
    } else if (farewell !== undefined) {
      for (const stream of this.#streams) {
        stream.farewell(farewell.retry_ms);
      }
    }
    if (this.#heardAt - this.#toldAt >= ALIVE_MS) {
      this.#toldAt = this.#heardAt;
      for (const stream of this.#streams) {
        stream.alive();
      }
    }
  }

  #leave(stream: SocketStream): void {
    if (!this.#streams.delete(stream)) {
      return;
    }
    const { run } = stream;
    if (run !== null && this.#byRun.get(run) === stream) {
      this.#byRun.delete(run);
      if (!stream.isEnded) {
        this.#ask({ op: "unsubscribe", run }, () => {});
      }
    }
    // A reader that left after a silence leaves a socket behind that nobody should come back to.
    if (this.#streams.size === 0 || Date.now() - this.#heardAt > 1.2 * this.#heartbeatMs) {
      this.#break();
    }
  }

  #break(): void {
    this.#gone(this);
    const socket = this.#socket;
    socket.onmessage = socket.onclose = socket.onerror = null;
    // A browser complains of one that is closed before it has opened.
    socket.onopen = () => socket.close();
    this.#unsent = [];
    const streams = [...this.#streams];
    this.#streams.clear();
    if (this.#hasOpened) {
      socket.close();
    }
    for (const stream of streams) {
      stream.lost(this.#hasOpened);
    }
  }
}
