/**
 * `createAnalysisStream` as a program that a test of another language drives: the server's address and the parameters
 * as arguments, each call of a handler as a line of JSON on standard output, the last of which is of `complete` or
 * `error`.
 */

import { createAnalysisStream } from "../src/compat.ts";
import { Headwater } from "../src/index.ts";

const [baseUrl = "", params = "{}"] = process.argv.slice(2);
// Short waits: what is tried is that the client comes back, not when.
const retry = { baseMs: 20, capMs: 200, triesMax: 1000 };

function say(handler: string, told: unknown): void {
  process.stdout.write(`${JSON.stringify({ handler, told })}\n`);
}

createAnalysisStream(
  JSON.parse(params),
  {
    onInit: (init) => say("init", init),
    onStatus: (status) => say("status", status),
    onChunk: (chunk) => say("chunk", chunk),
    onField: (path, value, done) => say("field", { path, value, done }),
    onComplete: (summary) => say("complete", summary),
    onError: (error) => say("error", error),
    onConnection: ({ state }) => say("connection", { state }),
  },
  new Headwater({ baseUrl, followRetry: retry, callRetry: retry }),
);
