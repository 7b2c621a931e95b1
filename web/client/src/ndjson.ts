/** Reading a record a line (https://github.com/ndjson/ndjson-spec), where something on the way spoils event streams. */

import { EVENT_STREAM } from "./http.ts";
import { isEmptyEnd, pageOf, type RunEvents, runEventsFetch } from "./run-events.ts";

const NDJSON = "application/x-ndjson";

export interface NdjsonFetchOptions {
  readonly fetch?: typeof fetch;
}

/**
 * A `fetch` that reads a run's events as NDJSON, also those of a run that it starts; everything else goes to the real
 * one. What comes out is an event stream all the same, so that its reader need not know.
 *
 * It answers when the first line has come, an empty one too: only then it is known that there is anything to read.
 */
export function ndjsonFetch(options: NdjsonFetchOptions = {}): typeof fetch {
  const plain: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  return runEventsFetch(plain, answered);
}

async function answered(events: RunEvents): Promise<Response> {
  const response = await events.ask(NDJSON);
  if (!response.ok || response.body === null || !response.headers.get("content-type")?.startsWith(NDJSON)) {
    return response;
  }
  const body = response.body.getReader();
  const first = await body.read();
  if (first.done) {
    return withoutLines(events);
  }
  const blocks = blocksOfLines();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(blocks(first.value)),
    pull: async (controller) => {
      const { done, value } = await body.read();
      if (done) {
        controller.close();
      } else {
        controller.enqueue(blocks(value));
      }
    },
    cancel: (reason) => body.cancel(reason),
  });
  return new Response(stream, { headers: { "Content-Type": EVENT_STREAM } });
}

/** This form can not say that nothing more will come, as an event stream does with a status; a page can. */
async function withoutLines({ query, askPage }: RunEvents): Promise<Response> {
  const cursor = Number(query.get("after") ?? 0);
  if (cursor > 0) {
    const response = await askPage(cursor, 0);
    if (!response.ok) {
      return response;
    }
    if (isEmptyEnd(await pageOf(response))) {
      return new Response(null, { status: 204 });
    }
  }
  return new Response("", { headers: { "Content-Type": EVENT_STREAM } });
}

/**
 * What pieces of lines are as pieces of an event stream: an empty line is a comment, for it says that the server lives,
 * and one without its end is an event without its end, which counts for nothing.
 */
function blocksOfLines(): (piece: Uint8Array) => Uint8Array<ArrayBuffer> {
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  let begun = false;
  return (piece) => {
    let text = "";
    for (const [at, part] of decoder.decode(piece, { stream: true }).split("\n").entries()) {
      if (at > 0) {
        text += begun ? "\n\n" : ": alive\n\n";
        begun = false;
      }
      if (part !== "") {
        text += begun ? part : `data: ${part}`;
        begun = true;
      }
    }
    return encoder.encode(text);
  };
}
