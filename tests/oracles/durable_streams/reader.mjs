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
  const { promise: told, resolve } = Promise.withResolvers();
  const unsubscribe = response.subscribeJson(async (batch) => {
    for (const item of batch.items) process.stdout.write(`${JSON.stringify({ item })}\n`);
    offset = batch.offset;
    if (batch.streamClosed) closed = true;
    if (closed) resolve();
  });
  // `closed` may come before the last batch does; that one is then read again.
  await Promise.race([told, response.closed.then(() => wait(50))]);
  unsubscribe();
  closed ||= response.streamClosed && response.offset === offset;
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
