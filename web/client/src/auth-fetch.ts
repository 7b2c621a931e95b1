/** `fetch` with what each request of a page needs, and a reader in place of a response where a stream is meant. */

import { type ClientError, refusal } from "./errors.ts";
import { Deadline, EVENT_STREAM } from "./http.ts";
import { SSEStreamReader } from "./sse-stream-reader.ts";

export interface AuthFetchOptions {
  /** The answer is an event stream: the promise is of its reader. */
  readonly stream?: boolean;
  /** Called with what the promise is rejected with, and with what ends a stream before its run. */
  readonly onError?: (error: ClientError) => void;
  /** In ms: for the answer to begin, and for each silence of a stream. */
  readonly timeout?: number;
}

export interface AuthFetchSettings {
  /** Goes before an address that is only a path. */
  readonly baseUrl?: string;
  /** Asked for with each request, because tokens change. What a request itself says wins. */
  readonly headers?: () => Readonly<Record<string, string>>;
  readonly fetch?: typeof fetch;
}

export interface AuthFetch {
  (url: string, init: RequestInit | undefined, options: AuthFetchOptions & { stream: true }): Promise<SSEStreamReader>;
  (url: string, init?: RequestInit, options?: AuthFetchOptions & { stream?: false }): Promise<Response>;
}

const SILENCE_MS = 37_500;
const ANSWER_MS = 30_000;

/**
 * Makes an `authFetch(url, init, { stream, onError, timeout })`.
 *
 * Without `stream` the answer is a `Response` with whatever status it has, as fetch gives it. With `stream` it is an
 * `SSEStreamReader`, and a status of an error is a `ServerError`. Throws `NetworkError` and `TimedOut` in both, and
 * `Cancelled` where the signal in `init` was aborted.
 */
export function makeAuthFetch(settings: AuthFetchSettings = {}): AuthFetch {
  const { baseUrl = "", headers = () => ({}), fetch: send = (input, init) => fetch(input, init) } = settings;
  const authFetch = async (
    url: string,
    init: RequestInit = {},
    { stream = false, onError, timeout }: AuthFetchOptions = {},
  ): Promise<Response | SSEStreamReader> => {
    const limit = new Deadline(timeout ?? (stream ? SILENCE_MS : ANSWER_MS), init.signal ?? undefined);
    const answer = async (): Promise<Response | SSEStreamReader> => {
      const sent = new Headers({ ...(stream ? { Accept: EVENT_STREAM } : {}), ...headers() });
      new Headers(init.headers).forEach((value, name) => sent.set(name, value));
      const address = url.startsWith("/") ? baseUrl + url : url;
      const response = await send(address, { ...init, headers: sent, signal: limit.signal });
      if (!stream) {
        return response;
      }
      if (!response.ok) {
        throw refusal(response.status, await response.text(), response.headers.get("retry-after"));
      }
      const reader = new SSEStreamReader(response, { silenceMs: timeout ?? SILENCE_MS });
      if (onError !== undefined) {
        reader.on("error", onError);
      }
      return reader;
    };
    try {
      return await limit.over(answer());
    } catch (failure) {
      onError?.(failure as ClientError);
      throw failure;
    }
  };
  return authFetch as AuthFetch;
}

/** For the page's own server, whose cookies go along. */
export const authFetch: AuthFetch = makeAuthFetch();
