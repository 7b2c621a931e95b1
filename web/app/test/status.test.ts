import assert from "node:assert/strict";
import { test } from "node:test";
import { emptySnapshot } from "@headwater/client/fold";
import {
  type End,
  endOf,
  hasOutput,
  isEnd,
  kindOf,
  type Link,
  linkOf,
  type Phase,
  phaseOf,
  statusOf,
  wordsOf,
} from "../src/chat/status.ts";

const failure = { code: "SERVER", message: "It broke.", retryable: true };
const streaming: Link = { state: "streaming" };
const phase: Phase = { state: "streaming" };

test("an end is told whatever the connection does", () => {
  const lost: Link = { state: "reconnecting", attempt: 3, at: 1 };
  const cases: [End, boolean, string][] = [
    [{ type: "complete", reason: "stop" }, true, "Complete"],
    [{ type: "complete", reason: "length" }, true, "Complete · length limit reached"],
    [{ type: "cancelled", by: "user" }, true, "Stopped"],
    [{ type: "error", failure }, true, "Partial"],
    [{ type: "error", failure }, false, "Failed"],
  ];
  for (const [end, hasText, words] of cases) {
    const status = statusOf(end, lost, phase, hasText);
    assert.equal(wordsOf(status), words);
    assert.ok(isEnd(status.kind));
  }
});

test("before the end, a lost connection is told, then where the run stands", () => {
  assert.equal(statusOf(null, { state: "reconnecting", attempt: 1, at: null }, phase, true).kind, "reconnecting");
  assert.equal(statusOf(null, { state: "connecting" }, phase, false).kind, "connecting");
  assert.equal(statusOf(null, { state: "connecting" }, phase, true).kind, "streaming");
  assert.deepEqual(statusOf(null, streaming, { state: "queued", position: 4 }, false), { kind: "queued", position: 4 });
  assert.equal(statusOf(null, streaming, { state: "connecting" }, false).kind, "connecting");
});

test("the words of a wait count down for the eye and not for the ear", () => {
  const status = { kind: "reconnecting", attempt: 2, at: 5000 } as const;
  assert.equal(wordsOf(status, 3), "Reconnecting · attempt 2 · in 3 s");
  assert.equal(wordsOf(status), "Reconnecting · attempt 2");
  assert.equal(wordsOf({ kind: "queued", position: 1 }), "Queued · position 1");
});

test("a model that is called again is told so until it answers, and so is another one", () => {
  const retrying = phaseOf({ state: "retrying", wait_ms: 1500 }, phase, 1000);
  assert.deepEqual(retrying, { state: "retrying", at: 2500 });
  assert.deepEqual(phaseOf({ state: "connecting" }, retrying, 3000), { state: "retrying", at: null });
  const falling = phaseOf({ state: "falling_back" }, retrying, 3000);
  assert.deepEqual(phaseOf({ state: "connecting" }, falling, 3000), { state: "falling_back" });
  assert.deepEqual(phaseOf({ state: "streaming" }, falling, 3000), { state: "streaming" });
  assert.deepEqual(phaseOf({ state: "thinking" }, falling, 3000), falling);
  assert.equal(wordsOf(statusOf(null, streaming, retrying, true), 2), "Trying again · in 2 s");
  assert.equal(wordsOf(statusOf(null, streaming, retrying, true)), "Trying again");
  assert.equal(wordsOf(statusOf(null, streaming, falling, false)), "Asking another model");
});

test("an answer that goes on without its connection is told so until its rest comes", () => {
  const reattaching = phaseOf({ state: "reattaching", wait_ms: 1500 }, { state: "streaming" }, 1000);
  assert.deepEqual(reattaching, { state: "reattaching", at: 2500 });
  assert.deepEqual(phaseOf({ state: "streaming" }, reattaching, 3000), { state: "streaming" });
  assert.equal(wordsOf(statusOf(null, streaming, reattaching, true), 2), "Asking for the rest · in 2 s");
  assert.equal(wordsOf(statusOf(null, streaming, reattaching, true), 0), "Asking for the rest");
});

test("a subscription's status becomes that of the connection", () => {
  assert.deepEqual(linkOf({ state: "reconnecting", attempt: 2, delayMs: 500 }, 1000), {
    state: "reconnecting",
    attempt: 2,
    at: 1500,
  });
  const again = linkOf({ state: "connecting", attempt: 2 }, 0);
  assert.deepEqual(again, { state: "reconnecting", attempt: 2, at: null });
  assert.deepEqual(linkOf({ state: "connecting", attempt: 0 }, 0), { state: "connecting" });
  assert.deepEqual(linkOf({ state: "ended", attempt: 0 }, 0), { state: "streaming" });
});

test("a run that had ended says how", () => {
  const snapshot = emptySnapshot();
  assert.equal(endOf("running", snapshot), null);
  assert.equal(endOf("queued", snapshot), null);
  const cut = { ...snapshot, finish_reason: "length" };
  assert.deepEqual(endOf("completed", cut), { type: "complete", reason: "length" });
  assert.deepEqual(endOf("failed", { ...snapshot, error: failure }), { type: "error", failure });
  assert.equal(endOf("failed", snapshot)?.type, "error");
  assert.equal(endOf("cancelled", snapshot)?.type, "cancelled");
});

test("a list and an answer tell the same of what failed with some output", () => {
  const snapshot = emptySnapshot();
  const outputs = [{ ...snapshot, text: "a" }, { ...snapshot, reasoning: "a" }, { ...snapshot, refusal: "a" }];
  for (const output of outputs) assert.ok(hasOutput(output));
  assert.ok(!hasOutput(snapshot));
  const end: End = { type: "error", failure };
  for (const chunks of [0, 1]) {
    const listed = kindOf({ state: "failed", metrics: { chunks } });
    assert.equal(listed, statusOf(end, streaming, phase, chunks > 0).kind);
  }
  assert.equal(kindOf({ state: "failed", metrics: null }), "failed");
});

test("a state of a newer server is no complete answer", () => {
  assert.equal(kindOf({ state: "asleep", metrics: null }), "streaming");
  assert.equal(kindOf({ state: "asleep", metrics: { chunks: 3 } }), "partial");
});

test("a list names what runs and what ended as an answer does", () => {
  const states = ["queued", "running", "completed", "cancelled"] as const;
  const kinds = states.map((state) => kindOf({ state, metrics: null }));
  assert.deepEqual(kinds, ["queued", "streaming", "complete", "stopped"]);
});
