/**
 * The adapter for the TypeScript client of LaunchDarkly's contract for SSE clients:
 * node typescript_service.ts [PORT]
 *
 * Says `listening on PORT` when it is there. What follows a stream is the client's own: its requests, its reader, its
 * waits; the adapter only puts them in a loop, for our server's runs are followed by cursor and not by `Last-Event-ID`.
 */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

import { Backoff } from "../../../web/client/src/backoff.ts";
import { Cancelled, ClientError, NetworkError } from "../../../web/client/src/errors.ts";
import { sleep } from "../../../web/client/src/follower.ts";
import { Http } from "../../../web/client/src/http.ts";
import { StreamReader } from "../../../web/client/src/reader.ts";
import type { Frame } from "../../../web/client/src/sse.ts";

/** Every one that any version of the contract's harness knows; `204` is what it called the last one at first. */
const CAPABILITIES = [
  "204",
  "bom",
  "comments",
  "empty-or-missing-location",
  "event-type-listeners",
  "headers",
  "last-event-id",
  "payload-size-stress-testable",
  "post",
  "read-timeout",
  "report",
  "restart",
  "retry",
  "server-directed-shutdown-request",
];
/** The contract's largest event is of 128 MiB, and the client's own limit for one that a caller can raise. */
const EVENT_CHARS_MAX = 256 * 1024 * 1024;
const HEADERS_MS = 60_000;

/** What a stream is asked to be. */
interface Parameters {
  readonly streamUrl: string;
  readonly callbackUrl: string;
  readonly initialDelayMs?: number;
  readonly readTimeoutMs?: number;
  readonly lastEventId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly body?: string;
}

interface ListenParameters {
  readonly type: string;
}

interface Comment {
  readonly text: string;
  readonly before: number;
}

/**
 * One client on one URL, until it is closed. Tells events without a type, and those of types that it listens for.
 *
 * Redirects are the adapter's: the client itself takes none, so that its key goes to one server only.
 */
class Stream {
  readonly #asked: Parameters;
  readonly #url: URL;
  readonly #http: Http;
  readonly #closed = new AbortController();
  readonly #following: Promise<void>;
  readonly #types = new Set(["message"]);
  #connection = new AbortController();
  #told = 0;
  #lastId: string;

  constructor(asked: Parameters) {
    this.#asked = asked;
    this.#url = new URL(asked.streamUrl);
    this.#http = new Http(this.#url.origin, {}, (url, init) => fetch(url, { ...init, redirect: "follow" }));
    this.#lastId = asked.lastEventId ?? "";
    this.#following = this.#follow();
  }

  listen(type: string): void {
    this.#types.add(type);
  }

  restart(): void {
    this.#connection.abort(new Cancelled("A new connection was asked for"));
  }

  async close(): Promise<void> {
    this.#closed.abort(new Cancelled("The client was closed"));
    await this.#following;
  }

  async #follow(): Promise<void> {
    const baseMs = this.#asked.initialDelayMs ?? 1000;
    const backoff = new Backoff({ triesMax: 1000, baseMs, capMs: 8000, retryAfterMsMax: 60_000 }, Math.random);
    try {
      while (!(await this.#connect(backoff)));
    } catch (error) {
      // It gave up, and has told so; or it was closed.
      if (!(error instanceof ClientError)) {
        throw error;
      }
    }
  }

  /** Reads one connection, and waits until it is time for the next; true where there is to be none. */
  async #connect(backoff: Backoff): Promise<boolean> {
    let failure: ClientError = new NetworkError("The connection ended");
    this.#connection = new AbortController();
    try {
      if (await this.#read(backoff, AbortSignal.any([this.#closed.signal, this.#connection.signal]))) {
        return true;
      }
    } catch (error) {
      if (!(error instanceof ClientError)) {
        throw error;
      }
      if (error instanceof Cancelled) {
        return this.#closed.signal.aborted;
      }
      failure = error;
    }
    await this.#tell({ kind: "error", error: failure.message });
    await sleep(backoff.delayMs(failure), this.#closed.signal);
    return this.#closed.signal.aborted;
  }

  /** True where the server says that there is nothing more. */
  async #read(backoff: Backoff, signal: AbortSignal): Promise<boolean> {
    const { method = "GET", body, readTimeoutMs } = this.#asked;
    const call = { method, path: this.#url.pathname + this.#url.search, headers: this.#headers() };
    const silenceMs = readTimeoutMs ?? HEADERS_MS;
    const response = await this.#http.open(body === undefined ? call : { ...call, body }, silenceMs, signal);
    if (response.status === 204) {
      return true;
    }
    const comments: Comment[] = [];
    const onComment = (text: string, before: number): void => void comments.push({ text, before });
    const watch = readTimeoutMs === undefined ? {} : { silenceMs: readTimeoutMs };
    const reader = new StreamReader(response, { ...watch, signal, onComment, eventCharsMax: EVENT_CHARS_MAX });
    try {
      for await (const frames of reader.frames()) {
        for (const item of inOrder(frames, comments.splice(0))) {
          backoff.progressed();
          await this.#tellOf(item);
        }
      }
    } finally {
      // A block without data may have set one, too.
      this.#lastId = reader.lastEventId || this.#lastId;
      backoff.baseMs = reader.retryMs ?? backoff.baseMs;
    }
    return false;
  }

  #headers(): Record<string, string> {
    // In one spelling with the client's own, which they replace.
    const title = (name: string): string => name.toLowerCase().replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
    const asked = Object.entries(this.#asked.headers ?? {}).map(([name, value]) => [title(name), value]);
    return { ...Object.fromEntries(asked), ...(this.#lastId === "" ? {} : { "Last-Event-ID": this.#lastId }) };
  }

  async #tellOf(item: Frame | string): Promise<void> {
    if (typeof item === "string") {
      await this.#tell({ kind: "comment", comment: item });
      return;
    }
    this.#lastId = item.id ?? this.#lastId;
    const type = item.event || "message";
    if (this.#types.has(type)) {
      await this.#tell({ kind: "event", event: { type, data: item.data, id: this.#lastId } });
    }
  }

  async #tell(message: object): Promise<void> {
    this.#told += 1;
    const body = JSON.stringify(message);
    const init = { method: "POST", headers: { "Content-Type": "application/json" }, body };
    try {
      // Read to its end, so that the next message can have the same connection.
      await (await fetch(`${this.#asked.callbackUrl}/${this.#told}`, init)).arrayBuffer();
    } catch (cause) {
      throw new NetworkError("Nobody listens any more", { cause });
    }
  }
}

function* inOrder(frames: readonly Frame[], comments: readonly Comment[]): Generator<Frame | string> {
  for (const [place, frame] of frames.entries()) {
    yield* comments.filter(({ before }) => before === place).map(({ text }) => text);
    yield frame;
  }
  yield* comments.filter(({ before }) => before === frames.length).map(({ text }) => text);
}

interface Reply {
  readonly status: number;
  readonly location?: string;
  readonly body?: object;
}

const streams = new Map<string, Stream>();
let made = 0;

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

async function ofService(method: string, body: string): Promise<Reply> {
  if (method === "GET") {
    return { status: 200, body: { name: "headwater-typescript", capabilities: CAPABILITIES } };
  }
  if (method === "POST") {
    const asked = parsed(body);
    if (typeof asked.streamUrl !== "string" || typeof asked.callbackUrl !== "string") {
      return { status: 400 };
    }
    made += 1;
    streams.set(`/streams/${made}`, new Stream(asked as unknown as Parameters));
    return { status: 201, location: `/streams/${made}` };
  }
  if (method === "DELETE") {
    await Promise.all([...streams.values()].map((stream) => stream.close()));
    return { status: 204 };
  }
  return { status: 405 };
}

async function ofStream(method: string, path: string, body: string): Promise<Reply> {
  const stream = streams.get(path);
  if (stream === undefined) {
    return { status: 404 };
  }
  if (method === "DELETE") {
    streams.delete(path);
    await stream.close();
    return { status: 204 };
  }
  const { command, listen } = method === "POST" ? parsed(body) : {};
  if (command === "restart") {
    stream.restart();
  } else if (command === "listen" && typeof (listen as ListenParameters | undefined)?.type === "string") {
    stream.listen((listen as ListenParameters).type);
  } else {
    return { status: 400 };
  }
  return { status: 202 };
}

async function read(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) {
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces).toString();
}

const server = createServer(async (request, response) => {
  const { method = "GET", url = "/" } = request;
  const text = await read(request);
  const { status, location, body } = url === "/" ? await ofService(method, text) : await ofStream(method, url, text);
  if (location !== undefined) {
    response.setHeader("Location", location);
  }
  response.writeHead(status).end(body === undefined ? undefined : JSON.stringify(body));
  if (url === "/" && method === "DELETE") {
    response.on("finish", () => {
      server.close();
      server.closeAllConnections();
    });
  }
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
