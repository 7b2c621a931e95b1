import assert from "node:assert/strict";
import { test } from "node:test";
import { ParseError } from "@headwater/client";
import { heardOf } from "../src/browser/recordSocket.ts";

const heard = (message: object) => heardOf(JSON.stringify(message));
const LOG = { seq: 7, t: 3, type: "log", data: { level: "info", message: "Scored" } };

test("each message of a server's means one thing for the reader", () => {
  assert.deepEqual(heard({ run: "run_1", record: LOG }), { kind: "record", record: LOG });
  assert.deepEqual(heard({ run: "run_1", after: 9 }), { kind: "moved", after: 9 });
  assert.deepEqual(heard({ id: 1, ok: { run: "run_1", after: 0 } }), { kind: "opened" });
  assert.deepEqual(heard({ heartbeat: {} }), { kind: "nothing" });
  assert.deepEqual(heard({ farewell: { retry_ms: 731 } }), { kind: "again", afterMs: 731 });
});

test("what has ended is not read on, and what failed is", () => {
  assert.deepEqual(heard({ run: "run_1", end: { reason: "closed", tail: 9 } }), { kind: "over" });
  assert.deepEqual(heard({ run: "run_1", end: { reason: "deleted" } }), { kind: "over" });
  assert.equal(heard({ run: "run_1", end: { reason: "error" } }).kind, "again");
  assert.deepEqual(heard({ id: 1, error: { retryable: false } }), { kind: "over" });
  assert.equal(heard({ id: 1, error: { retryable: true } }).kind, "again");
});

test("a record that is none is refused", () => {
  assert.throws(() => heard({ run: "run_1", record: { seq: 1 } }), ParseError);
});
