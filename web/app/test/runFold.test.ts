import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunResource } from "@headwater/client";
import { emptySnapshot } from "@headwater/client/fold";
import { RunFold } from "../src/chat/runFold.ts";

const queued = (tail: number): RunResource => ({
  id: "run_1",
  workflow: "chat",
  model: "simulated",
  state: "queued",
  created_at: "2026-01-01T00:00:00.000Z",
  ended_at: null,
  tail,
  owner: { org: "local", user: "local" },
  retry_of: null,
  metadata: {},
  metrics: null,
  request: { model: "simulated", messages: [{ role: "user", content: "Why?" }] },
  snapshot: emptySnapshot(),
});

/** What is told of a run whose connection has just come about. */
function kindsOf(run: RunResource): string[] {
  const fold = new RunFold(run.id, run);
  const before = fold.look().status.kind;
  fold.connection({ state: "streaming", attempt: 0 });
  return [before, fold.look().status.kind];
}

test("a run is past its queue when an internal call has put something out", () => {
  const parts = [{ index: 0, kind: "text", text: "def" } as const];
  const running: RunResource = { ...queued(9), state: "running", snapshot: { ...emptySnapshot(), parts } };
  assert.deepEqual(kindsOf(running), ["connecting", "streaming"]);
});

test("a run that was only just made is connecting until a record says that it waits", () => {
  assert.deepEqual(kindsOf(queued(0)), ["connecting", "connecting"]);
  assert.deepEqual(kindsOf(queued(1)), ["connecting", "queued"]);
});
