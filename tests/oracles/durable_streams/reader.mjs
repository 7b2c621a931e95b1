// Reads a stream of JSON with the protocol's own client, whatever becomes of its connections, to the stream's end.
// Standard input: {url, live}; standard output: a line of JSON for each value, in the order in which they came, and
// then the offset at the end. What was not told yet by an offset is read again from the last one that was.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const require = createRequire(join(process.argv[2], "package.json"));
const { stream } = require("@durable-streams/client");
const { url, live } = JSON.parse(readFileSync(0, "utf8"));

let offset = "-1";
let closed = false;

async function read() {
  const response = await stream({ url, offset, live, json: true });
  await new Promise((resolve, reject) => {
    response.subscribeJson(async (batch) => {
      for (const item of batch.items) process.stdout.write(`${JSON.stringify({ item })}\n`);
      offset = batch.offset;
      closed = batch.streamClosed;
    });
    response.closed.then(resolve, reject);
  });
  closed ||= response.streamClosed;
}

while (!closed) {
  try {
    await read();
  } catch (error) {
    process.stderr.write(`# ${String(error).replaceAll("\n", " ")}\n`);
    await wait(50);
  }
}
process.stdout.write(`${JSON.stringify({ offset })}\n`);
