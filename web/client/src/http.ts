/** The client's requests to one server, with every failure as a typed error. */

import { Cancelled, ClientError, NetworkError, ParseError, refusal, TimedOut } from "./errors.ts";

/** Of an answer that is not a stream no more than this is read: a run's snapshot is the largest of them. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** Of an error's body no more than this is read. */
const PROBLEM_BYTES_MAX = 64 * 1024;
const CALL_TIMEOUT_MS = 30_000;
export const EVENT_STREAM = "text/event-stream";

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends requests; what comes back is an answer with a status of 2xx, or an error is thrown. */
export class Http {
  readonly #baseUrl: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: typeof fetch;

  constructor(baseUrl: string, headers: Readonly<Record<string, string>>, fetchFunction: typeof fetch) {
    this.#baseUrl = baseUrl.replace(/\/+$/, "");
    this.#headers = headers;
    this.#fetch = fetchFunction;
  }

  /** The text of the answer. Throws `NetworkError`, `TimedOut`, `ServerError`, `ParseError`, `Cancelled`. */
  async call(call: Call, signal?: AbortSignal): Promise<string> {
    const limit = new Deadline(CALL_TIMEOUT_MS, signal);
    const answer = this.#send(call, "application/json", limit.signal);
    return limit.over(answer.then((response) => readText(response, ANSWER_BYTES_MAX)));
  }

  /** An answer whose body is still to be read, until `signal` ends it. Its headers must come within `silenceMs`. */
  async open(call: Call, silenceMs: number, signal: AbortSignal): Promise<Response> {
    const limit = new Deadline(silenceMs, signal);
    return limit.over(this.#send(call, EVENT_STREAM, limit.signal));
  }

  async #send(call: Call, accept: string, signal: AbortSignal): Promise<Response> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) {
        query.set(name, String(value));
      }
    }
    const search = query.size > 0 ? `?${query}` : "";
    // Changes are application/json: Headwater refuses others, because a foreign page could send them.
    const content: Record<string, string> = call.method === "GET" ? {} : { "Content-Type": "application/json" };
    const headers = { ...this.#headers, Accept: accept, ...content, ...call.headers };
    const init: RequestInit = { method: call.method, headers, signal, cache: "no-store", redirect: "error" };
    if (call.body !== undefined) {
      init.body = call.body;
    }
    const send = this.#fetch;
    const response = await send(this.#baseUrl + call.path + search, init);
    if (response.ok) {
      return response;
    }
    // Where the body breaks, the status has come, and says enough.
    const body = await readText(response, PROBLEM_BYTES_MAX).catch(() => "");
    throw refusal(response.status, body, response.headers.get("retry-after"));
  }
}

/** A limit in time beside the caller's own signal; an answer that has begun goes on without the limit. */
export class Deadline {
  readonly signal: AbortSignal;
  readonly #caller: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #ms: number;
  readonly #limit = new AbortController();

  constructor(ms: number, caller: AbortSignal | undefined) {
    this.#ms = ms;
    this.#caller = caller;
    this.#timer = setTimeout(() => this.#limit.abort(), ms);
    const { signal } = this.#limit;
    this.signal = caller === undefined ? signal : AbortSignal.any([caller, signal]);
  }

  /**
   * What `work` gives within the limit, and unless the caller ends it; `work` has the signal as well, but a fetch may
   * not hear it: Node 22 forgets whose it is with its garbage, once the answer's head has come.
   */
  async over<T>(work: Promise<T>): Promise<T> {
    let end: () => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      end = reject;
    });
    this.signal.addEventListener("abort", end);
    try {
      return await Promise.race([work, ended]);
    } catch (error) {
      throw this.#failure(error);
    } finally {
      this.signal.removeEventListener("abort", end);
      clearTimeout(this.#timer);
    }
  }

  #failure(error: unknown): unknown {
    if (this.#caller?.aborted) {
      const reason: unknown = this.#caller.reason;
      return reason instanceof ClientError ? reason : new Cancelled("The call was stopped", { cause: reason });
    }
    if (this.#limit.signal.aborted) {
      return new TimedOut(`The server did not answer within ${this.#ms / 1000} s`);
    }
    // A fetch does not tell a server that is not there from one that hung up.
    return error instanceof ClientError ? error : new NetworkError("The server can not be reached", { cause: error });
  }
}

async function readText(response: Response, bytesMax: number): Promise<string> {
  const reader = response.body?.getReader();
  const utf8 = new TextDecoder();
  let text = "";
  let bytes = 0;
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    bytes += value.byteLength;
    if (bytes > bytesMax) {
      await reader.cancel();
      throw new ParseError(`The server's answer is larger than ${bytesMax} bytes`);
    }
    text += utf8.decode(value, { stream: true });
  }
  return text + utf8.decode();
}
