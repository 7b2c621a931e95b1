/** Two transports: the first, and another one once the first has failed often enough. */

import { asksForEvents } from "./event-body.ts";
import { ClientError } from "./errors.ts";
import { EVENT_STREAM } from "./http.ts";
import { SseDecoder } from "./sse.ts";

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

export interface FallbackOptions {
  /** Streams in a row without an event before the second transport is used. */
  readonly failuresMax?: number;
  /** After so long the first is given another chance. */
  readonly returnMs?: number;
  /** Must not throw. */
  readonly onChange?: (using: "first" | "second") => void;
  /** In ms; what `returnMs` is measured with. */
  readonly now?: () => number;
}

/**
 * A `fetch` that opens event streams with `first`, and with `second` after several in a row without an event: no
 * connection, one that broke, or silence until the reader gave up, which is what a proxy that holds streams back looks
 * like. At once, where the answer is something else than an event stream. A status of an error is no failure of the
 * transport.
 */
export function fallbackFetch(first: typeof fetch, second: typeof fetch, options: FallbackOptions = {}): typeof fetch {
  const { failuresMax = 3, returnMs = 300_000, onChange = () => {}, now = Date.now } = options;
  let failures = 0;
  let since: number | null = null;
  const giveUp = (): void => {
    since = now();
    onChange("second");
  };
  const judge = (good: boolean): void => {
    failures = good ? 0 : failures + 1;
    if (failures >= failuresMax && since === null) {
      giveUp();
    }
  };
  return async (input, init) => {
    if (!asksForEvents(init)) {
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
    const { signal } = init ?? {};
    // A reader that has had enough, or whose network changed, says so with an error of this client's.
    const left = (): boolean => signal?.aborted === true && signal.reason instanceof ClientError;
    const broke = (): void => {
      if (!left()) {
        judge(false);
      }
    };
    const response = await first(input, init).catch((error: unknown) => {
      broke();
      throw error;
    });
    if (!response.ok || response.status === 204) {
      return response;
    }
    if (response.body !== null && response.headers.get("content-type")?.startsWith(EVENT_STREAM)) {
      return new Response(watched(response.body, () => judge(true), broke), { headers: response.headers });
    }
    await response.body?.cancel();
    giveUp();
    return second(input, init);
  };
}

/** The same body. `came` is called with its first event, `broke` when it ends, or is given up before any came. */
function watched(body: Bytes, came: () => void, broke: () => void): Bytes {
  const reader = body.getReader();
  const decoder = new SseDecoder();
  let any = false;
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const { done, value } = await reader.read();
        if (done) {
          broke();
          controller.close();
          return;
        }
        if (!any && decoder.feed(value).length > 0) {
          any = true;
          came();
        }
        controller.enqueue(value);
      } catch (error) {
        broke();
        controller.error(error);
      }
    },
    cancel: (reason) => {
      if (!any) {
        broke();
      }
      return reader.cancel(reason);
    },
  });
}
