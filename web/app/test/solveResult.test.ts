import assert from "node:assert/strict";
import { test } from "node:test";
import { bestShare, iterationOf, percent } from "../src/solver/iteration.ts";
import { phaseOf } from "../src/solver/phase.ts";
import { resultOf } from "../src/solver/result.ts";

const RIGHT = { correct: true, cell_share: 1, output: [[1, 2]], error: null };
const WRONG = { correct: false, cell_share: 0, output: null, error: "IndexError: list index out of range" };
const HOSTILE = [null, 1, "x", [], [null], {}, { programs: 3 }, { programs: [null, 1, {}] }, { notes: 1 }];

test("an iteration is read as the reference has it", () => {
  const program = { code: "…", correct_pairs: 1, pairs: 2, cell_share: 0.5, error: null, results: [RIGHT, WRONG] };
  const notes = ["Outputs are left out."];
  const iteration = iterationOf(2, { state: "done", programs: [program], left_out: 1, notes });
  assert.deepEqual(iteration, {
    number: 2,
    isDone: true,
    programs: [
      {
        code: "…",
        share: 0.5,
        rightPairs: 1,
        pairs: 2,
        error: null,
        outcomes: [
          { isRight: true, share: 1, output: [[1, 2]], error: null },
          { isRight: false, share: 0, output: null, error: "IndexError: list index out of range" },
        ],
      },
    ],
    notes: ["1 program was not tried.", "Outputs are left out."],
  });
  assert.equal(bestShare(iteration), 0.5);
});

test("one that is asking has no programs, and no score", () => {
  const iteration = iterationOf(1, { state: "asking", of: 5, pairs: 4 });
  assert.deepEqual(iteration, { number: 1, isDone: false, programs: [], notes: [] });
  assert.equal(bestShare(iteration), null);
});

test("whatever comes in their place breaks nothing", () => {
  for (const told of HOSTILE) {
    const data = (typeof told === "object" && told !== null ? told : {}) as Record<string, unknown>;
    assert.ok(Array.isArray(iterationOf(1, data).programs));
    assert.equal(resultOf(told), null);
  }
  assert.deepEqual(resultOf({ verdict: "none", programs: 0, iterations: 1, tests: [null, 3] })?.tests, []);
});

test("a result has the prediction beside the truth", () => {
  const test = { correct: false, cell_share: 0.5, predicted: [[4]], error: null, truth: [[3]] };
  const told = { verdict: "fits", programs: 1, iterations: 3, tests: [test], simulated: true };
  assert.deepEqual(resultOf(told), {
    isSolved: false,
    title: "Right on every training pair, but not on every test",
    words: "1 program in 3 iterations.",
    tests: [{ isRight: false, share: 0.5, output: [[4]], error: null, truth: [[3]] }],
    isSimulated: true,
  });
  assert.equal(resultOf({ ...told, verdict: "constructor" }), null);
  const cut = resultOf({ ...told, stopped: "cut" });
  assert.equal(cut?.words, "1 program in 3 iterations. The search was ended before it was over.");
});

test("only what is whole is 100 %", () => {
  assert.deepEqual([0, 0.5, 0.999, 1].map(percent), ["0 %", "50 %", "99 %", "100 %"]);
});

test("a phase of a solver that looks at pictures", () => {
  const scored = { predicted: [[1]], correct: false, cell_share: 0.72 };
  const told = { state: "done", phase: "prediction", pair: 2, text: "…", ...scored };
  assert.deepEqual(phaseOf(2, told), {
    number: 2,
    title: "Predicts pair 2",
    isTest: false,
    at: 1,
    isDone: true,
    text: "…",
    predicted: [[1]],
    isRight: false,
    share: 0.72,
  });
  assert.equal(phaseOf(1, { state: "done", programs: [] }), null);
  assert.equal(phaseOf(1, { state: "asking", phase: "constructor" })?.title, "constructor");
  assert.equal(resultOf({ correct: true, confidence: 85, tests: [] })?.isSolved, true);
});
