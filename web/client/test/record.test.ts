/** Records from JSON: what is refused, what is passed over, and that no text of anybody's gets into an error. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeRecord, isFinal, ParseError } from "../src/index.ts";

const CHUNK = { seq: 1, t: 0, type: "chunk", data: { content: "secret", index: 0 } };

test("a record is a record", () => {
  assert.deepEqual(decodeRecord(JSON.stringify(CHUNK)), CHUNK);
});

test("fields that may be null or left out may be", () => {
  for (const data of [{ ...CHUNK.data, call: null }, { ...CHUNK.data, call: 2 }, { ...CHUNK.data, logprobs: [1] }]) {
    assert.deepEqual(decodeRecord(JSON.stringify({ ...CHUNK, data })).data, data);
  }
});

test("a type that is not known keeps its name and its data", () => {
  for (const type of ["weather", "constructor", "__proto__", ""]) {
    const record = decodeRecord(JSON.stringify({ seq: 3, t: 1, type, data: [1] }));
    assert.deepEqual(record, { seq: 3, t: 1, type: "unknown", name: type, data: [1] });
  }
});

test("what is not a record is refused without its text", () => {
  const { content: _, ...contentless } = CHUNK.data;
  const wrong: unknown[] = [
    null,
    "secret",
    [CHUNK],
    { ...CHUNK, seq: "1" },
    { ...CHUNK, seq: 1.5 },
    { ...CHUNK, t: null },
    { ...CHUNK, type: 7 },
    { ...CHUNK, data: null },
    { ...CHUNK, data: ["secret"] },
    { ...CHUNK, data: contentless },
    { ...CHUNK, data: { ...CHUNK.data, content: null } },
    { ...CHUNK, data: { ...CHUNK.data, index: "0" } },
    { ...CHUNK, data: { ...CHUNK.data, index: 0.5 } },
    { seq: 1, t: 0, type: "context", data: { context: ["secret"] } },
    { seq: 1, t: 0, type: "error", data: { code: "X", message: "secret", retryable: 1 } },
  ];
  for (const text of [...wrong.map((value) => JSON.stringify(value)), "{secret"]) {
    assert.throws(
      () => decodeRecord(text),
      (error: unknown) => error instanceof ParseError && !error.message.includes("secret"),
      text,
    );
  }
});

test("three types end a run", () => {
  assert.equal(isFinal({ seq: 1, t: 0, type: "cancelled", data: { by: "user", partial_bytes: 0 } }), true);
  assert.equal(isFinal({ seq: 1, t: 0, type: "status", data: { state: "queued" } }), false);
  assert.equal(isFinal({ seq: 1, t: 0, type: "unknown", name: "complete", data: {} }), false);
});
