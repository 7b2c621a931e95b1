// Reads bodies with npm's eventsource-parser: one process for all of them, JSON on stdin and stdout.
//
// argv[2]: the directory in which the package is installed.
// in:  [{"body": base64, "cuts": [offset, …]}, …]      ascending offsets at which the body is cut into chunks
// out: [{"frames": [{"data", "event", "id"}, …], "last_event_id", "retry_ms", "comments"}, …]
//      id: the last id in force, null while none was set; event: "" when unnamed

import { createRequire } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const { createParser } = createRequire(join(process.argv[2], "index.js"))("eventsource-parser");

function read({ body, cuts }) {
  const bytes = Buffer.from(body, "base64");
  const reading = { frames: [], last_event_id: "", retry_ms: null, comments: 0 };
  let id = null;
  const parser = createParser({
    onId: (value) => (id = value),
    onEvent: (event) => reading.frames.push({ data: event.data, event: event.event ?? "", id }),
    onRetry: (ms) => (reading.retry_ms = ms),
    onComment: () => (reading.comments += 1),
  });
  // The parser takes off the BOM itself; two of them must not both go.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let start = 0;
  for (const cut of [...cuts, bytes.length]) {
    parser.feed(decoder.decode(bytes.subarray(start, cut), { stream: true }));
    start = cut;
  }
  parser.feed(decoder.decode());
  reading.last_event_id = id ?? "";
  return reading;
}

process.stdout.write(JSON.stringify(JSON.parse(await text(process.stdin)).map(read)));
