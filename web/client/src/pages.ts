/** Reading without a stream: pages of records, each asked for when the one before has been read (long-poll). */

import { EVENT_STREAM } from "./http.ts";
import { isObject } from "./record.ts";

const RUNS_PATH = /\/api\/v1\/runs$/;
const EVENTS_PATH = /\/api\/v1\/runs\/[^/]+\/events$/;
const utf8 = new TextEncoder();

export interface PagesFetchOptions {
  readonly fetch?: typeof fetch;
  /** How long the server may wait for a record; must be less than two and a half heartbeats, and up to 30 s. */
  readonly waitMs?: number;
}

interface Page {
  readonly records: readonly { readonly seq: number }[];
  readonly last: number;
  readonly closed: boolean;
  readonly tail: number;
}

type Ask = (after: number, wait: number) => Promise<Response>;

/**
 * A `fetch` that reads a run's events as pages, for networks that hold event streams back, also those of a run that it
 * starts; everything else goes to the real one. What comes out is an event stream all the same, so that its reader need
 * not know.
 */
export function pagesFetch(options: PagesFetchOptions = {}): typeof fetch {
  const plain: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const { waitMs = 20_000 } = options;
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    if (input instanceof Request || headers.get("accept") !== EVENT_STREAM) {
      return plain(input, init);
    }
    const address = new URL(String(input), globalThis.location?.href);
    headers.set("Accept", "application/json");
    const pagesOf = (events: URL): Ask => (after, wait) => {
      events.searchParams.set("after", String(after));
      events.searchParams.set("wait_ms", String(wait));
      return plain(events.href, { signal: init?.signal ?? null, cache: "no-store", headers });
    };
    if (init?.method === "POST" && RUNS_PATH.test(address.pathname)) {
      const started = await plain(input, { ...init, headers });
      const run = started.ok ? await objectOf(started, "a run", ({ id }) => typeof id === "string") : null;
      if (run === null) {
        return started;
      }
      const response = await answered(pagesOf(new URL(`${address.pathname}/${run.id}/events`, address)), 0, waitMs);
      response.headers.set("X-Run-Id", String(run.id));
      return response;
    }
    return EVENTS_PATH.test(address.pathname) && !address.searchParams.has("from")
      ? answered(pagesOf(address), Number(address.searchParams.get("after") ?? 0), waitMs)
      : plain(input, init);
  };
}

async function answered(ask: Ask, after: number, waitMs: number): Promise<Response> {
  // The first page says at once whether there is anything to read.
  const first = await ask(after, 0);
  if (!first.ok) {
    return first;
  }
  let page = await pageOf(first);
  if (page.closed && page.records.length === 0) {
    return new Response(null, { status: 204 });
  }
  let given = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      if (given) {
        const askedAt = Date.now();
        page = await pageOf(await ask(page.last, waitMs));
        // Who asked again at once would ask for ever.
        if (page.records.length === 0 && !page.closed && Date.now() - askedAt < waitMs / 2) {
          throw new TypeError("The server does not wait for records");
        }
      }
      given = true;
      const blocks = page.records.map((record) => `id: ${record.seq}\ndata: ${JSON.stringify(record)}\n\n`);
      controller.enqueue(utf8.encode(blocks.join("") || ": nothing yet\n\n"));
      if (page.closed && page.last >= page.tail) {
        controller.close();
      }
    },
  });
  return new Response(body, { headers: { "Content-Type": EVENT_STREAM } });
}

async function pageOf(response: Response): Promise<Page> {
  if (!response.ok) {
    throw new TypeError(`The server answered with status ${response.status}`);
  }
  const isPage = ({ records, last }: Record<string, unknown>) => Array.isArray(records) && Number.isInteger(last);
  return (await objectOf(response, "a page of records", isPage)) as unknown as Page;
}

async function objectOf(
  response: Response,
  what: string,
  fits: (value: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> {
  const value: unknown = await response.json();
  if (!isObject(value) || !fits(value)) {
    throw new TypeError(`The server's answer is not ${what}`);
  }
  return value;
}
