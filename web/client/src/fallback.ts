/** Two transports: the first, and another one once the first has failed often enough. */

import { asksForEvents } from "./event-body.ts";
import { ClientError } from "./errors.ts";
import { EVENT_STREAM } from "./http.ts";

export interface FallbackOptions {
  /** Streams in a row that gave not one byte before the second transport is used. */
  readonly failuresMax?: number;
  /** After so long the first is given another chance. */
  readonly returnMs?: number;
  /** Must not throw. */
  readonly onChange?: (using: "first" | "second") => void;
  /** In ms; what `returnMs` is measured with. */
  readonly now?: () => number;
}

/**
 * A `fetch` that opens event streams with `first`, and with `second` after several that failed in a row: no connection,
 * no event stream, or not one byte until the reader gave up, which is what a proxy that holds streams back looks like.
 * An answer with an error status is no failure of the transport.
 */
export function fallbackFetch(first: typeof fetch, second: typeof fetch, options: FallbackOptions = {}): typeof fetch {
  const { failuresMax = 3, returnMs = 300_000, onChange = () => {}, now = Date.now } = options;
  let failures = 0;
  let since: number | null = null;
  const failed = (): void => {
    failures += 1;
    if (failures >= failuresMax && since === null) {
      since = now();
      onChange("second");
    }
  };
  const worked = (): void => {
    failures = 0;
  };
  return async (input, init) => {
    if (!asksForEvents({ ...init, headers: { Accept: new Headers(init?.headers).get("accept") ?? "" } })) {
      return first(input, init);
    }
    if (since !== null && now() - since < returnMs) {
      return second(input, init);
    }
    if (since !== null) {
      since = null;
      failures = failuresMax - 1;
      onChange("first");
    }
    return watched(first(input, init), init?.signal, failed, worked);
  };
}

async function watched(
  asked: Promise<Response>,
  signal: AbortSignal | null | undefined,
  failed: () => void,
  worked: () => void,
): Promise<Response> {
  // A reader that has had enough, or whose network changed, says so with an error of this client's.
  const given = (): boolean => signal?.aborted === true && signal.reason instanceof ClientError;
  let response: Response;
  try {
    response = await asked;
  } catch (error) {
    if (!given()) {
      failed();
    }
    throw error;
  }
  if (!response.ok || response.status === 204) {
    return response;
  }
  if (response.body === null || !response.headers.get("content-type")?.startsWith(EVENT_STREAM)) {
    failed();
    return response;
  }
  return new Response(counted(response.body, given, failed, worked), { headers: response.headers });
}

function counted(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  given: () => boolean,
  failed: () => void,
  worked: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  let judged = false;
  const judge = (good: boolean): void => {
    if (!judged && !given()) {
      (good ? worked : failed)();
    }
    judged = true;
  };
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const { done, value } = await reader.read();
        judge(!done);
        if (done) {
          controller.close();
        } else {
          controller.enqueue(value);
        }
      } catch (error) {
        judge(false);
        controller.error(error);
      }
    },
    cancel: (reason) => {
      judge(false);
      return reader.cancel(reason);
    },
  });
}
