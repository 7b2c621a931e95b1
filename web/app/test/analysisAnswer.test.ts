import assert from "node:assert/strict";
import { test } from "node:test";
import { runIn, taskIn, taskOf } from "../src/examiner/address.ts";
import { type Analysis, type AnalysisResult, percentWords, verdictOf, verdictWords } from "../src/examiner/analyses.ts";
import { answerOf } from "../src/examiner/answer.ts";

const NOTHING = { strategy: "", pattern: "", hints: [], confidence: null };

test("an answer is taken as far as it has come", () => {
  const said = { patternDescription: "Turn", solvingStrategy: "Tu", hints: ["One", 2, ""] };
  const value = { ...said, predictedOutput: [[1, 2], [3]] };
  assert.deepEqual(answerOf(value, 1), {
    grids: [[[1, 2], [3]]],
    pattern: "Turn",
    strategy: "Tu",
    hints: ["One"],
    confidence: null,
  });
});

test("whatever a model says is no fault of the page", () => {
  for (const value of [null, undefined, 1, "text", [], { hints: {}, predictedOutput: "no", confidence: {} }]) {
    assert.deepEqual(answerOf(value, 2), { ...NOTHING, grids: [null, null] });
  }
});

test("several tests have numbered grids, under a result too", () => {
  assert.deepEqual(answerOf({ predictedOutput2: [[5]] }, 2).grids, [null, [[5]]]);
  assert.deepEqual(answerOf({ result: { predictedOutput1: [[1]], confidence: 40 } }, 2), {
    ...NOTHING,
    grids: [[[1]], null],
    confidence: 40,
  });
  assert.deepEqual(answerOf({ solution: [[4]] }, 2).grids, [[[4]], null]);
});

test("confidence is a share or a number up to 100", () => {
  const said = [0.85, 85, 1, 0, "85%", "1 %", "0.5", true, 250, -3, "sure", Number.NaN];
  const read = said.map((confidence) => answerOf({ confidence }, 1).confidence);
  assert.deepEqual(read, [85, 85, 100, 0, 85, 1, 50, 100, 100, null, null, null]);
});

const verdict = (correct: boolean) => ({ predicted: [[1]], truth: [[1]], correct, cell_share: 1, found_in: null });

function analysis(correct: boolean | null, tests: readonly boolean[], more: Partial<Analysis> = {}): Analysis {
  const result: AnalysisResult = {
    task_id: "00d62c1b",
    simulated: true,
    pattern_description: "",
    solving_strategy: "",
    hints: [],
    confidence: 50,
    confidence_given: false,
    tests: tests.map(verdict),
    correct,
    correct_tests: tests.filter(Boolean).length,
    trustworthiness: null,
    notes: [],
  };
  const at = "2026-01-01T00:00:00.000Z";
  const end = { state: "completed", partial: false, error: null, created_at: at, duration_ms: 1, usage: null } as const;
  return { run: "run_1", model: "simulated", ...end, result, ...more };
}

test("a verdict is told in words", () => {
  const told = [
    analysis(true, [true]),
    analysis(true, [true, true]),
    analysis(false, [false]),
    analysis(false, [true, false]),
    analysis(null, [false]),
    analysis(null, [false], { state: "cancelled", partial: true }),
    analysis(null, [], { state: "failed", partial: true, result: null }),
  ];
  assert.deepEqual(told.map(verdictWords), [
    "Right",
    "Right · 2 of 2 tests right",
    "Wrong",
    "Wrong · 1 of 2 tests right",
    "Not judged",
    "Stopped",
    "Failed",
  ]);
  assert.deepEqual(
    told.map(verdictOf),
    ["right", "right", "wrong", "wrong", "unjudged", "unjudged", "unjudged"],
  );
});

test("only what is whole is 100 %", () => {
  assert.deepEqual([1, 0.999, 0].map(percentWords), ["100 %", "99 %", "0 %"]);
});

test("an address names a puzzle and a run, or nothing", () => {
  const run = `run_${"0".repeat(32)}`;
  assert.equal(taskIn({ task: "25e02866" }), "25e02866");
  assert.equal(runIn({ run }), run);
  for (const task of ["", "25E02866", "25e0286", "../../etc"]) assert.equal(taskIn({ task }), null);
  assert.equal(runIn({ run: "run_1" }), null);
  assert.equal(taskOf({ task_id: "25e02866" }), "25e02866");
  for (const input of [null, undefined, "25e02866", {}, { task_id: 25 }]) assert.equal(taskOf(input), null);
});
