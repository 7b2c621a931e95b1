import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunResource, RunSummary } from "@headwater/client";
import { emptySnapshot } from "@headwater/client/fold";
import { groupRuns, nextRequest, titleOf, titleOfRun, turnsOf } from "../src/chat/conversation.ts";

const summary = (id: string, metadata: Record<string, string> = {}): RunSummary => ({
  id,
  workflow: "chat",
  model: "simulated",
  state: "completed",
  created_at: "2026-01-01T00:00:00.000Z",
  ended_at: null,
  tail: 1,
  owner: { org: "local", user: "local" },
  retry_of: null,
  metadata,
  metrics: null,
});

const resource = (id: string, text: string, metadata: Record<string, string>): RunResource => ({
  ...summary(id, metadata),
  request: { model: "simulated", messages: [{ role: "user", content: "First" }], metadata },
  snapshot: { ...emptySnapshot(), text },
});

test("a first question begins a conversation, and says what it is called", () => {
  const request = nextRequest("simulated", "Why?\nBecause.", null);
  assert.deepEqual(request.messages, [{ role: "user", content: "Why?\nBecause." }]);
  assert.equal(request.metadata?.title, "Why?");
  assert.match(request.metadata?.conversation ?? "", /^[0-9a-f]{32}$/);
  assert.equal(request.metadata?.previous, undefined);
});

test("the next question brings the whole history", () => {
  const request = nextRequest("other", "Second", resource("run_1", "An answer", { conversation: "c", title: "First" }));
  assert.deepEqual(request, {
    model: "other",
    messages: [
      { role: "user", content: "First" },
      { role: "assistant", content: "An answer" },
      { role: "user", content: "Second" },
    ],
    metadata: { conversation: "c", title: "First", previous: "run_1" },
  });
});

test("a run from elsewhere is gone on with, and an answer without text is no message", () => {
  const request = nextRequest("simulated", "Second", resource("run_1", "", {}));
  assert.deepEqual(
    request.messages?.map(({ role }) => role),
    ["user", "user"],
  );
  assert.deepEqual(request.metadata, { conversation: "run_1", title: "First", previous: "run_1" });
});

test("runs are grouped by conversation, newest first", () => {
  const groups = groupRuns([
    summary("run_4", { conversation: "run_1", title: "A" }),
    summary("run_3"),
    summary("run_2", { conversation: "b", title: "B" }),
    summary("run_1"),
    summary("run_1"),
  ]);
  assert.deepEqual(
    groups.map(({ title, run, runs }) => [title, run.id, runs]),
    [
      ["A", "run_4", ["run_4", "run_1"]],
      ["simulated, asked by a program", "run_3", ["run_3"]],
      ["B", "run_2", ["run_2"]],
    ],
  );
});

test("answers side by side are one conversation, and one that was asked for again is in the old one's place", () => {
  const comparison = { comparison: "x", title: "Which?" };
  const groups = groupRuns([
    { ...summary("run_5", comparison), retry_of: "run_4" },
    { ...summary("run_4", comparison), retry_of: "run_1" },
    summary("run_3", comparison),
    summary("run_2", { ...comparison, conversation: "run_1" }),
    summary("run_1", comparison),
    summary("run_0", comparison),
  ]);
  assert.deepEqual(
    groups.map(({ id, compared }) => [id, compared]),
    [
      ["x", ["run_0", "run_5", "run_3"]],
      ["run_1", null],
    ],
  );
});

test("answers side by side are in the order of the question, in whatever order the server began them", () => {
  const at = (place: number) => ({ comparison: "x", title: "Which?", place: String(place) });
  const runs = [
    { ...summary("run_4", at(1)), retry_of: "run_1" },
    summary("run_3", at(0)),
    summary("run_2", at(2)),
    summary("run_1", at(1)),
  ];
  assert.deepEqual(groupRuns(runs)[0]?.compared, ["run_3", "run_4", "run_2"]);
});

test("of answers side by side it is known how many are whole", () => {
  const comparison = { comparison: "x", title: "Which?" };
  const runs = [
    summary("run_4", comparison),
    { ...summary("run_3", comparison), state: "failed" as const },
    { ...summary("run_2", comparison), retry_of: "run_1" },
    // Another one is in its place, and it is not shown.
    summary("run_1", comparison),
  ];
  assert.deepEqual(groupRuns(runs).map(({ compared, complete }) => [compared, complete]), [
    [["run_2", "run_3", "run_4"], 2],
  ]);
});

test("a run that a program started is called by its question", () => {
  assert.equal(titleOfRun(resource("run_1", "", {})), "First");
  assert.equal(titleOfRun(resource("run_1", "", { title: "A" })), "A");
  assert.equal(titleOfRun(null), undefined);
});

test("a message shows its text, and names what is not text", () => {
  const content = [
    { type: "text" as const, text: "Look:" },
    { type: "image" as const, url: "https://example.com/x.png" },
  ];
  assert.deepEqual(turnsOf({ model: "m", messages: [{ role: "user", content }, { role: "assistant" }] }), [
    { role: "user", text: "Look:\n[picture]" },
    { role: "assistant", text: "" },
  ]);
});

test("a title is one line of bounded length", () => {
  assert.equal(titleOf("  A\nB"), "A");
  assert.equal(titleOf("x".repeat(500)).length, 80);
  for (const before of [76, 77, 78, 79, 80]) {
    const title = titleOf(`${"x".repeat(before)}😀😀😀`);
    assert.ok(title.isWellFormed() && title.length <= 80, title);
  }
});

test("a run of an application is called after what it does", () => {
  const named = (workflow: string, metadata = {}) => groupRuns([{ ...summary("run_1", metadata), workflow }])[0]?.title;
  assert.equal(named("analysis"), "Analysis by simulated");
  assert.equal(named("analysis", { title: "Mine" }), "Mine");
  assert.equal(named("chat"), "simulated, asked by a program");
  assert.equal(named("somebody's"), "simulated, asked by a program");
});
