/**
 * The decoder as a program that a test of another language asks: on standard input a list of
 * `{"body": base64, "cuts": [offsets]}`, on standard output what it makes of each.
 */

import { readFileSync } from "node:fs";

import { type Frame, SseDecoder } from "../src/index.ts";

interface Question {
  readonly body: string;
  readonly cuts: readonly number[];
}

const questions: Question[] = JSON.parse(readFileSync(0, "utf-8"));
const answers = questions.map((question) => {
  const body = Buffer.from(question.body, "base64");
  const decoder = new SseDecoder();
  const frames: Frame[] = [];
  let start = 0;
  for (const cut of [...question.cuts, body.length]) {
    frames.push(...decoder.feed(body.subarray(start, cut)));
    start = cut;
  }
  decoder.end();
  const { comments, lastEventId, retryMs } = decoder;
  return { frames, comments, last_event_id: lastEventId, retry_ms: retryMs };
});
process.stdout.write(JSON.stringify(answers));
