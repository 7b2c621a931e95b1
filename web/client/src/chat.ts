/** A chat answer as callbacks, with a switch between the streaming path and an older one. */

import { Cancelled, ClientError, RunFailed, ServerError } from "./errors.ts";
import { pagesFetch } from "./pages.ts";
import type { ProtocolRecord, RunRequest } from "./protocol.ts";
import { Headwater, type HeadwaterOptions, newIdempotencyKey } from "./service.ts";

/** What is asked: a run's request, or in place of its messages one question. */
export type ChatRequest = Omit<RunRequest, "messages"> & {
  readonly messages?: RunRequest["messages"];
  readonly message?: string;
  readonly signal?: AbortSignal;
};

/** Gives the whole text. `onChunk` gets it piece by piece, `onStatus` what goes on meanwhile, in words. */
export type ChatWithModelStream = (
  request: ChatRequest,
  onChunk?: (content: string) => void,
  onStatus?: (message: string) => void,
) => Promise<string>;

export interface ChatOptions extends HeadwaterOptions {
  /** Whether the streaming path is used; a function is asked each time. */
  readonly useNewStreaming?: boolean | (() => boolean);
  /** What is used in its place; left out, the same run is read without a stream. */
  readonly older?: ChatWithModelStream;
  /** Failures in a row after which the older path is used by itself. */
  readonly failuresMax?: number;
  /** After so long the streaming path is tried again. */
  readonly returnMs?: number;
  /** In ms; what `returnMs` is measured with. */
  readonly now?: () => number;
}

/**
 * Makes a `chatWithModelStream(request, onChunk?, onStatus?)`.
 *
 * Where the streaming path fails, the same answer goes on without a stream. With an `older` path of the caller's it can
 * not: before the first piece the question is asked again that way, after it the failure is the caller's, for pieces of
 * two answers are never joined. After `failuresMax` failures in a row the older path comes first, until `returnMs` have
 * gone by. What is wrong with the request itself, and a run that failed, are no failures of the path.
 */
export function makeChatWithModelStream(options: ChatOptions = {}): ChatWithModelStream {
  const { useNewStreaming = true, failuresMax = 3, returnMs = 300_000, now = Date.now, older } = options;
  const newer = new Headwater(options);
  const send = options.fetch === undefined ? {} : { fetch: options.fetch };
  const paged = new Headwater({ ...options, fetch: pagesFetch(send) });
  const wanted = typeof useNewStreaming === "function" ? useNewStreaming : (): boolean => useNewStreaming;
  let failures = 0;
  let avoidedUntil = Number.NEGATIVE_INFINITY;
  const failed = (): void => {
    failures += 1;
    if (failures >= failuresMax) {
      failures = 0;
      avoidedUntil = now() + returnMs;
    }
  };
  return async (request, onChunk = () => {}, onStatus = () => {}) => {
    const answer = new Answer(request, onChunk, onStatus);
    if (!wanted() || now() < avoidedUntil) {
      return older === undefined ? answer.read(paged) : older(request, onChunk, onStatus);
    }
    try {
      const text = await answer.read(newer);
      failures = 0;
      return text;
    } catch (error) {
      if (!isThePaths(error)) {
        throw error;
      }
      failed();
      if (older === undefined) {
        return answer.read(paged);
      }
      answer.leave(newer);
      if (answer.text !== "") {
        throw error;
      }
      return older(request, onChunk, onStatus);
    }
  };
}

/** On the page's own server, streaming. */
export const chatWithModelStream: ChatWithModelStream = (request, onChunk, onStatus) =>
  makeChatWithModelStream()(request, onChunk, onStatus);

/** One answer, which may be read in one way and then in another. */
class Answer {
  text = "";
  readonly #request: RunRequest;
  readonly #onChunk: (content: string) => void;
  readonly #onStatus: (message: string) => void;
  readonly #options: { readonly signal?: AbortSignal };
  readonly #idempotencyKey = newIdempotencyKey();
  #run: string | null = null;
  #cursor = 0;

  constructor(
    { message, messages, signal, ...asked }: ChatRequest,
    onChunk: (content: string) => void,
    onStatus: (message: string) => void,
  ) {
    this.#request = { ...asked, messages: messages ?? [{ role: "user", content: message ?? "" }] };
    this.#onChunk = onChunk;
    this.#onStatus = onStatus;
    this.#options = signal === undefined ? {} : { signal };
  }

  async read(headwater: Headwater): Promise<string> {
    const idempotencyKey = this.#idempotencyKey;
    this.#run ??= (await headwater.start(this.#request, { ...this.#options, idempotencyKey })).id;
    for await (const record of headwater.follow(this.#run, { ...this.#options, after: this.#cursor })) {
      this.#cursor = record.seq;
      this.#take(record);
    }
    if (this.#options.signal?.aborted) {
      throw new Cancelled("The answer was not waited for", { cause: this.#options.signal.reason });
    }
    return this.text;
  }

  /** Nobody will read it any more. */
  leave(headwater: Headwater): void {
    if (this.#run !== null) {
      headwater.cancel(this.#run).catch(() => {});
    }
  }

  #take(record: ProtocolRecord): void {
    if (record.type === "chunk") {
      this.text += record.data.content;
      this.#onChunk(record.data.content);
    } else if (record.type === "status") {
      this.#onStatus(record.data.message || record.data.state);
    } else if (record.type === "error") {
      throw new RunFailed(record.data);
    }
  }
}

/** Whether another path may do better. */
function isThePaths(error: unknown): boolean {
  const own = error instanceof RunFailed || error instanceof Cancelled;
  return error instanceof ClientError && !own && !(error instanceof ServerError && !error.retryable);
}
