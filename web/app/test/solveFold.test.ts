import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolRecord } from "@headwater/client";
import { LINES_MAX, SolveFold, STEP_TYPES } from "../src/solver/solveFold.ts";

type Told = { [Type in ProtocolRecord["type"]]: [Type, Extract<ProtocolRecord, { type: Type }>["data"]] };

/** Records with dense seqs, in order. */
function logOf(...told: Told[ProtocolRecord["type"]][]): ProtocolRecord[] {
  return told.map(([type, data], at) => ({ seq: at + 1, t: 100 * (at + 1), type, data }) as ProtocolRecord);
}

const PROGRAM = { code: "def transform(grid):\n    return grid", correct_pairs: 1, pairs: 2, cell_share: 0.75 };

/** A search of two iterations, of which the second one is under way. */
const LOG = logOf(
  ["status", { state: "streaming" }],
  ["iteration", { number: 1, data: { state: "asking", of: 3, pairs: 2 } }],
  ["status", { state: "asking", progress: 0 }],
  ["call", { call: 1, role: "internal", provider: "simulated", model: "simulated" }],
  ["reasoning", { content: "Rows turn.", index: 0, call: 1 }],
  ["chunk", { content: "def transform", index: 0, call: 1 }],
  ["log", { level: "info", message: "Program 1: 1 of 2 pairs" }],
  ["iteration", { number: 1, data: { state: "done", of: 3, pairs: 2, programs: [PROGRAM] } }],
  ["iteration", { number: 2, data: { state: "asking", of: 3, pairs: 2 } }],
  ["status", { state: "asking", progress: 0.33 }],
  ["call", { call: 2, role: "internal", provider: "simulated", model: "simulated" }],
  ["chunk", { content: "def ", index: 0, call: 2 }],
  ["chunk", { content: "transform", index: 0, call: 2 }],
  ["log", { level: "warning", message: "The model is slow" }],
);
const STEPS = LOG.filter(({ type }) => STEP_TYPES.includes(type));

function shown(fold: SolveFold) {
  const { iterations, lines, doing, progress } = fold.look();
  return { iterations, lines, doing, progress };
}

test("what a search tells is shown by iteration, call and line", () => {
  const fold = new SolveFold("run_1");
  for (const record of LOG) fold.take(record);
  const { iterations, lines, calls, doing, progress } = fold.look();
  assert.deepEqual(
    iterations.map(({ number, isDone, programs }) => [number, isDone, programs.length]),
    [
      [1, true, 1],
      [2, false, 0],
    ],
  );
  assert.deepEqual(
    lines.map(({ t, level, message }) => [t, level, message]),
    [
      [700, "info", "Program 1: 1 of 2 pairs"],
      [1400, "warning", "The model is slow"],
    ],
  );
  assert.deepEqual(calls, [
    { call: 1, reasoning: "Rows turn.", text: "def transform" },
    { call: 2, reasoning: "", text: "def transform" },
  ]);
  assert.equal(doing, "The model writes programs");
  assert.equal(progress, 0.33);
});

test("calls stand in the order in which they were made, whatever their numbers", () => {
  const fold = new SolveFold("run_1");
  const made = logOf(
    ["call", { call: 2, role: "internal", provider: "simulated", model: "simulated" }],
    ["chunk", { content: "I see.", index: 0, call: 2 }],
    ["call", { call: 1, role: "answer", provider: "simulated", model: "simulated" }],
    ["chunk", { content: "{}", index: 0, call: 1 }],
  );
  for (const record of made) fold.take(record);
  assert.deepEqual(
    fold.look().calls.map(({ text }) => text),
    ["I see.", "{}"],
  );
});

test("steps that come two ways are shown once, however the two interleave", () => {
  const whole = new SolveFold("run_1");
  for (const record of LOG) whole.take(record);
  for (let cut = 0; cut <= LOG.length; cut++) {
    for (const socketFirst of [true, false]) {
      const fold = new SolveFold("run_1");
      const ahead = STEPS.filter(({ seq }) => seq <= cut);
      if (socketFirst) ahead.forEach((record) => fold.note(record));
      for (const record of LOG.slice(0, cut)) fold.take(record);
      if (!socketFirst) ahead.forEach((record) => fold.note(record));
      for (const record of STEPS.filter(({ seq }) => seq > cut)) fold.note(record);
      for (const record of LOG.slice(cut)) fold.take(record);
      assert.deepEqual(shown(fold), shown(whole), `cut at ${cut}`);
    }
  }
});

test("the result is the end's, and not what an answer was read as", () => {
  const fold = new SolveFold("run_1");
  fold.take({ seq: 1, t: 1, type: "field", data: { path: "", value: { hints: [] }, done: true } });
  assert.equal(fold.look().result, null);
  const result = { correct: true, confidence: 80, tests: [] };
  fold.take({ seq: 2, t: 2, type: "complete", data: { finish_reason: "stop", usage: {}, result } });
  assert.equal(fold.look().result?.isSolved, true);
});

test("an iteration that is begun anew takes the place of the one that was cut", () => {
  const fold = new SolveFold("run_1");
  for (const record of LOG) fold.take(record);
  const again = { state: "done", of: 3, pairs: 2, programs: [PROGRAM, PROGRAM] };
  fold.take({ seq: 15, t: 1500, type: "iteration", data: { number: 2, data: { state: "asking" } } });
  fold.take({ seq: 16, t: 1600, type: "iteration", data: { number: 2, data: again } });
  assert.deepEqual(
    fold.look().iterations.map(({ number, programs }) => [number, programs.length]),
    [
      [1, 1],
      [2, 2],
    ],
  );
});

test("the result of a search that was ended early is shown too", () => {
  const fold = new SolveFold("run_1");
  for (const record of LOG) fold.take(record);
  assert.equal(fold.look().result, null);
  const result = { verdict: "partial", stopped: "cut", programs: 1, iterations: 1, tests: [] };
  const last = { code: "TIMEOUT", message: "Too long.", retryable: true, phase: "total", result };
  fold.take({ seq: LOG.length + 1, t: 2000, type: "error", data: last });
  assert.equal(fold.look().result?.isSolved, false);
});

test("only the newest lines are kept, and the others are counted", () => {
  const fold = new SolveFold("run_1");
  for (let seq = 1; seq <= LINES_MAX + 3; seq++) {
    fold.take({ seq, t: seq, type: "log", data: { level: "info", message: String(seq) } });
  }
  const { lines, linesBefore } = fold.look();
  assert.equal(lines.length, LINES_MAX);
  assert.equal(linesBefore, 3);
  assert.equal(lines[0]?.message, "4");
});
