/**
 * A transport for `useChat` of the AI SDK (npm's `ai` 7), in the place of its `DefaultChatTransport`.
 *
 * It asks for the same and reads the same. What is more: an answer whose connection broke goes on where it was, a page
 * that was reloaded gets the answer it had not seen the end of, even if it ended meanwhile, and `stop` stops the model.
 */

import { Backoff, type RetryPolicy } from "./backoff.ts";
import type { KeyValueStorage } from "./cursor-store.ts";
import { ClientError, NetworkError, NotFound, ParseError, refusal, ServerError } from "./errors.ts";
import { sleep } from "./follower.ts";
import { Deadline } from "./http.ts";
import { StreamReader } from "./reader.ts";
import { newIdempotencyKey } from "./service.ts";

/** The AI SDK's `UIMessageChunk`, whatever that is in its version: this package does not depend on it. */
type Part = any;
type HeaderFields = Record<string, string> | Headers;

export interface ChatTransportOptions {
  /** Where the server answers chats; left out, the page's own server's `/api/chat`. */
  readonly api?: string;
  /** Goes along with each message: which `model`, and what else a run can be asked. */
  readonly body?: object | (() => object);
  readonly headers?: Record<string, string> | (() => Record<string, string>);
  readonly fetch?: typeof fetch;
  /** Tries in a row that bring nothing new, if nothing else is said: 10. */
  readonly retry?: Partial<RetryPolicy>;
  /** Gives the jitter, numbers from 0 to 1. */
  readonly random?: () => number;
  /** A connection on which nothing comes for so long, no heartbeat either, counts as dead: two and a half of them. */
  readonly silenceMs?: number;
  /** Where answers under way are remembered over a reload: `localStorage`, or nothing where there is none. */
  readonly storage?: KeyValueStorage | null;
}

export interface SendOptions {
  readonly chatId: string;
  readonly messages: readonly unknown[];
  readonly trigger: string;
  readonly messageId?: string | undefined;
  readonly abortSignal?: AbortSignal | undefined;
  readonly headers?: HeaderFields | undefined;
  readonly body?: object | undefined;
}

export type ResumeOptions = Pick<SendOptions, "chatId" | "abortSignal" | "headers">;

/** Whether a replay begins with the steps that the message had before this answer: a page that kept them needs none. */
type Steps = "all" | "own";

const RETRY: RetryPolicy = { triesMax: 10, baseMs: 1000, capMs: 8000, retryAfterMsMax: 60_000 };
const SILENCE_MS = 37_500;
const DONE = "[DONE]";
const NEVER = new AbortController().signal;

export class HeadwaterChatTransport {
  /** A resume begins with the first part, and the client puts it in the place of what it had. */
  readonly resumeStreamIsReplay = true;
  readonly #api: string;
  readonly #options: ChatTransportOptions;
  readonly #retry: RetryPolicy;
  readonly #silenceMs: number;
  readonly #storage: KeyValueStorage | null;

  constructor(options: ChatTransportOptions = {}) {
    this.#api = (options.api ?? "/api/chat").replace(/\/+$/, "");
    this.#options = options;
    this.#retry = { ...RETRY, ...options.retry };
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#storage = options.storage === undefined ? localStorageIfAny() : options.storage;
  }

  /** Asks for an answer. A repeat after a broken connection is the same run, so nothing is paid for twice. */
  async sendMessages(asked: SendOptions): Promise<ReadableStream<Part>> {
    const { chatId, messages, trigger, messageId, abortSignal } = asked;
    const { body = {} } = this.#options;
    const added = typeof body === "function" ? body() : body;
    const init = {
      method: "POST",
      headers: {
        ...this.#headers(asked.headers),
        "Content-Type": "application/json",
        "Idempotency-Key": newIdempotencyKey(),
      },
      body: JSON.stringify({ ...added, ...asked.body, id: chatId, messages, trigger, messageId }),
    };
    const response = await this.#insist(() => this.#send(this.#api, init, abortSignal), abortSignal);
    return this.#stream(chatId, response, asked, "own");
  }

  /** The answer under way, or the one whose end this browser has not seen; null where there is none. */
  async reconnectToStream(asked: ResumeOptions): Promise<ReadableStream<Part> | null> {
    const { chatId, abortSignal } = asked;
    const open = (run: string | null) => () => this.#replay(chatId, run, asked, "all");
    const remembered = this.#remembered(chatId);
    let response: Response | null = null;
    if (remembered !== null) {
      response = await this.#insist(open(remembered), abortSignal).catch((error: unknown) => {
        if (!(error instanceof NotFound)) {
          throw error;
        }
        this.#forget(chatId, remembered);
        return null;
      });
    }
    response ??= await this.#insist(open(null), abortSignal);
    return response.status === 204 ? null : this.#stream(chatId, response, asked, "all");
  }

  /** Stops the answer of a chat: the model too, and for every page that shows it. What came is kept. */
  async stop(chatId: string): Promise<void> {
    const init = { method: "POST", headers: this.#headers() };
    await this.#insist(() => this.#send(`${this.#address(chatId)}/stop`, init, undefined), undefined);
  }

  #address(chatId: string): string {
    return `${this.#api}/${encodeURIComponent(chatId)}`;
  }

  #headers(more: HeaderFields = {}): Record<string, string> {
    const { headers = {} } = this.#options;
    const own = typeof headers === "function" ? headers() : headers;
    return { ...own, ...Object.fromEntries(new Headers(more)) };
  }

  #replay(chatId: string, run: string | null, asked: ResumeOptions, steps: Steps): Promise<Response> {
    const query = new URLSearchParams({ steps, ...(run === null ? {} : { run }) });
    const init = { headers: this.#headers(asked.headers) };
    return this.#send(`${this.#address(chatId)}/stream?${query}`, init, asked.abortSignal);
  }

  #send(address: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Response> {
    const limit = new Deadline(this.#silenceMs, signal);
    return limit.over(this.#answer(address, { ...init, signal: limit.signal, cache: "no-store" }));
  }

  async #answer(address: string, init: RequestInit): Promise<Response> {
    const { fetch: send = (input, more) => fetch(input, more) } = this.#options;
    const response = await send(address, init);
    if (response.ok) {
      return response;
    }
    // The body is the sentence that the page shows.
    const { status, headers } = response;
    const problem = { detail: await response.text(), code: headers.get("headwater-error") };
    throw refusal(status, JSON.stringify(problem), headers.get("retry-after"));
  }

  /** Tries until there is an answer, or it can not help. */
  async #insist(attempt: () => Promise<Response>, signal: AbortSignal | undefined): Promise<Response> {
    const backoff = this.#backoff();
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        await pause(error, backoff, signal);
      }
    }
  }

  #backoff(): Backoff {
    return new Backoff(this.#retry, this.#options.random ?? Math.random);
  }

  #stream(chatId: string, response: Response, asked: ResumeOptions, steps: Steps): ReadableStream<Part> {
    const left = new AbortController();
    const signal = asked.abortSignal == null ? left.signal : AbortSignal.any([asked.abortSignal, left.signal]);
    const parts = this.#parts(chatId, response, { ...asked, abortSignal: signal }, steps);
    return new ReadableStream<Part>({
      async pull(controller): Promise<void> {
        const next = await parts.next();
        if (next.done === true) {
          controller.close();
          return;
        }
        for (const part of next.value) {
          controller.enqueue(part);
        }
      },
      async cancel(): Promise<void> {
        left.abort();
        // Where it was not waiting for anything, it has not heard of that.
        await parts.return();
      },
    });
  }

  /** The parts of an answer, each once: a replay is always the same, and what was shown of it is passed over. */
  async *#parts(
    chatId: string,
    first: Response,
    asked: ResumeOptions,
    steps: Steps,
  ): AsyncGenerator<Part[], void, undefined> {
    const run = first.headers.get("x-run-id");
    if (run === null) {
      throw new ParseError("The server's answer has no X-Run-Id");
    }
    this.#remember(chatId, run);
    const backoff = this.#backoff();
    const signal = asked.abortSignal as AbortSignal;
    let response: Response | null = first;
    let shown = 0;
    for (;;) {
      try {
        response ??= await this.#replay(chatId, run, asked, steps);
        let seen = 0;
        for await (const frames of new StreamReader(response, { silenceMs: this.#silenceMs, signal }).frames()) {
          const data = frames.map((frame) => frame.data);
          const end = data.indexOf(DONE);
          const parts = end < 0 ? data : data.slice(0, end);
          const fresh = parts.slice(Math.max(0, shown - seen));
          seen += parts.length;
          if (fresh.length > 0) {
            shown = seen;
            backoff.progressed();
            yield fresh.map((part) => JSON.parse(part));
          }
          if (end >= 0) {
            this.#forget(chatId, run);
            return;
          }
        }
        throw new NetworkError("The connection ended before the answer did");
      } catch (error) {
        response = null;
        await pause(error, backoff, signal);
      }
    }
  }

  // A storage may be full, or switched off: then a reload finds what is under way, and not what ended meanwhile.

  #remembered(chatId: string): string | null {
    try {
      return this.#storage?.getItem(key(chatId)) ?? null;
    } catch {
      return null;
    }
  }

  #remember(chatId: string, run: string): void {
    try {
      this.#storage?.setItem(key(chatId), run);
    } catch {}
  }

  #forget(chatId: string, run: string): void {
    try {
      if (this.#remembered(chatId) === run) {
        this.#storage?.removeItem(key(chatId));
      }
    } catch {}
  }
}

/** Waits for the next try. Throws what the client understands: an `AbortError`, a disconnect, or the server's no. */
async function pause(error: unknown, backoff: Backoff, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (!(error instanceof ClientError)) {
    throw error;
  }
  let delayMs: number;
  try {
    delayMs = backoff.delayMs(error);
  } catch (last) {
    // By this name `useChat` knows a disconnect, and comes back by itself when the page is looked at again.
    throw last instanceof ServerError ? last : new TypeError("network error", { cause: last });
  }
  await sleep(delayMs, signal ?? NEVER);
  signal?.throwIfAborted();
}

function key(chatId: string): string {
  return `headwater.chat.${chatId}`;
}

function localStorageIfAny(): KeyValueStorage | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
