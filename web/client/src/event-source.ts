/** The browser's own EventSource as a transport: `new Headwater({ fetch: eventSourceFetch() })`. */

import { asksForEvents, EventBody } from "./event-body.ts";

/** EventSource keeps heartbeats to itself: as long as the browser holds it open, it counts as alive. */
const ALIVE_MS = 10_000;

export interface EventSourceFetchOptions {
  /** The page's own, if nothing else is said. */
  readonly EventSource?: typeof EventSource;
  /** For all requests that EventSource can not make. */
  readonly fetch?: typeof fetch;
  /** Send cookies to another origin too. */
  readonly withCredentials?: boolean;
}

/**
 * A `fetch` that reads event streams with EventSource, and gives everything else to the real one: changes, pages, and
 * requests with headers of their own, which EventSource can not send.
 *
 * It is a connection of the browser's, but not its reconnecting: whoever reads comes back by its own rules. Only
 * unnamed events are seen, which is what Headwater sends. Where EventSource is refused it does not say why, so that the
 * same is asked again with the real fetch, whose answer it is then.
 */
export function eventSourceFetch(options: EventSourceFetchOptions = {}): typeof fetch {
  const plain: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const Source = options.EventSource ?? globalThis.EventSource;
  return (input, init) => {
    if (Source === undefined || input instanceof Request || !asksForEvents(init, ["accept"])) {
      return plain(input, init);
    }
    const source = new Source(input, { withCredentials: options.withCredentials ?? false });
    return opened(source, init?.signal ?? null, () => plain(input, init));
  };
}

function opened(source: EventSource, signal: AbortSignal | null, ask: () => Promise<Response>): Promise<Response> {
  return new Promise((resolve, reject) => {
    let alive: ReturnType<typeof setInterval> | undefined;
    const body = new EventBody(() => {
      clearInterval(alive);
      signal?.removeEventListener("abort", aborted);
      source.close();
    });
    const aborted = (): void => {
      reject(signal?.reason);
      body.fail(signal?.reason);
    };
    signal?.addEventListener("abort", aborted);
    source.onopen = () => {
      alive = setInterval(() => body.comment(), ALIVE_MS);
      resolve(body.response());
    };
    source.onmessage = (event: MessageEvent<string>) => body.event(event.data, event.lastEventId);
    source.onerror = () => {
      // Closed for good is an answer, which was not an event stream; else the connection broke.
      if (alive === undefined && source.readyState === source.CLOSED) {
        resolve(ask());
      }
      const broke = new TypeError("The EventSource lost its connection");
      reject(broke);
      body.fail(broke);
    };
    if (signal?.aborted) {
      aborted();
    }
  });
}
