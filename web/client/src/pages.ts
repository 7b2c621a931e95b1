/** Reading without a stream: pages of records, each asked for when the one before has been read (long-poll). */

import { EVENT_STREAM } from "./http.ts";
import { isEmptyEnd, pageOf, type RunEvents, runEventsFetch } from "./run-events.ts";

const utf8 = new TextEncoder();

export interface PagesFetchOptions {
  readonly fetch?: typeof fetch;
  /** How long the server may wait for a record; must be less than two and a half heartbeats, and up to 30 s. */
  readonly waitMs?: number;
}

/**
 * A `fetch` that reads a run's events as pages, for networks that hold event streams back, also those of a run that it
 * starts; everything else goes to the real one. What comes out is an event stream all the same, so that its reader need
 * not know.
 */
export function pagesFetch(options: PagesFetchOptions = {}): typeof fetch {
  const plain: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const { waitMs = 20_000 } = options;
  // A page can not begin with a snapshot.
  return runEventsFetch(plain, (events) => (events.query.has("from") ? null : answered(events, waitMs)));
}

async function answered({ query, askPage }: RunEvents, waitMs: number): Promise<Response> {
  // The first page says at once whether there is anything to read.
  const first = await askPage(Number(query.get("after") ?? 0), 0);
  if (!first.ok) {
    return first;
  }
  let page = await pageOf(first);
  if (isEmptyEnd(page)) {
    return new Response(null, { status: 204 });
  }
  let given = false;
  const source = {
    pull: async (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
      if (given) {
        const askedAt = Date.now();
        page = await pageOf(await askPage(page.last, waitMs));
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
  };
  // Asked for when it is read, and not ahead: platforms differ in how early they would.
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(source, { highWaterMark: 0 });
  return new Response(body, { headers: { "Content-Type": EVENT_STREAM } });
}
