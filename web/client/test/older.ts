/**
 * The reader of older forms as a program that a test of another language asks: on standard input a list of
 * `{url, init}`, on standard output of each the form that was settled, and its records without their numbers.
 */

import { readFileSync } from "node:fs";

import { SSEStreamReader } from "../src/sse-stream-reader.ts";

interface Question {
  readonly url: string;
  readonly init: RequestInit;
}

const questions: Question[] = JSON.parse(readFileSync(0, "utf-8"));
const answers = [];
for (const { url, init } of questions) {
  const reader = new SSEStreamReader(await fetch(url, init));
  const events = [];
  for await (const { type, data } of reader.readEvents()) {
    events.push({ type, data });
  }
  answers.push({ form: reader.form?.name, events });
}
process.stdout.write(JSON.stringify(answers));
