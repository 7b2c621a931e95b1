/** Reading without a stream: pages of records, each asked for when the one before has been read (long-poll). */

import { asksForEvents } from "./event-body.ts";
import { EVENT_STREAM } from "./http.ts";
import { isObject } from "./record.ts";

const EVENTS_PATH = /\/api\/v1\/runs\/[^/?]+\/events$/;
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

/**
 * A `fetch` that reads a run's events as pages, for networks that hold event streams back; everything else goes to the
 * real one. What comes out is an event stream all the same, so that its reader need not know.
 */
export function pagesFetch(options: PagesFetchOptions = {}): typeof fetch {
  const plain: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const { waitMs = 20_000 } = options;
  return async (input, init) => {
    const address = new URL(String(input), globalThis.location?.href);
    const { searchParams } = address;
    if (
      input instanceof Request ||
      !EVENTS_PATH.test(address.pathname) ||
      searchParams.has("from") ||
      !asksForEvents({ ...init, headers: { Accept: new Headers(init?.headers).get("accept") ?? "" } })
    ) {
      return plain(input, init);
    }
    const ask = (after: number, wait: number): Promise<Response> => {
      const headers = new Headers(init?.headers);
      headers.set("Accept", "application/json");
      searchParams.set("after", String(after));
      searchParams.set("wait_ms", String(wait));
      return plain(address.href, { ...init, headers });
    };
    return answered(ask, Number(searchParams.get("after") ?? 0), waitMs);
  };
}

async function answered(
  ask: (after: number, wait: number) => Promise<Response>,
  after: number,
  waitMs: number,
): Promise<Response> {
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
  const headers = { "Content-Type": EVENT_STREAM, "X-Run-Id": first.headers.get("x-run-id") ?? "" };
  return new Response(body, { headers });
}

async function pageOf(response: Response): Promise<Page> {
  const page: unknown = response.ok ? await response.json() : null;
  if (!isObject(page) || !Array.isArray(page.records) || !Number.isInteger(page.last)) {
    throw new TypeError("The server's answer is not a page of records");
  }
  return page as unknown as Page;
}
