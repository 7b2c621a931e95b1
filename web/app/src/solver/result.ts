/** What a search ended with (docs/reference/solver.md), as the page shows it. */

import { type Grid, gridOf } from "../arc/grid.ts";
import { listOf, outcomeOf, type PairOutcome } from "./iteration.ts";

/** What the best program made of a test. */
export interface TestOutcome extends PairOutcome {
  readonly truth: Grid | null;
}

const VERDICTS = {
  solved: "Solved: the best program is right on every test",
  fits: "Right on every training pair, but not on every test",
  partial: "Not solved: no program is right on every training pair",
  none: "Not solved: the model wrote no program",
} as const;

type Verdict = keyof typeof VERDICTS;

/** Of a solver that looks at pictures. */
const SEEN = "Solved: every test is answered right";
const NOT_SEEN = "Not solved: not every test is answered right";

export interface SolveResult {
  readonly isSolved: boolean;
  readonly title: string;
  /** How it came to its end, as a sentence. */
  readonly words: string;
  readonly tests: readonly TestOutcome[];
  /** Answered by a script in a model's place. */
  readonly isSimulated: boolean;
}

const isVerdict = (value: unknown): value is Verdict => typeof value === "string" && Object.hasOwn(VERDICTS, value);
const counted = (count: unknown, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

function testOf(told: Readonly<Record<string, unknown>>): TestOutcome {
  return { ...outcomeOf(told), output: gridOf(told.predicted), truth: gridOf(told.truth) };
}

/** How it went, as the two solvers tell it; null for what is the result of neither. */
function outcomeWords(told: Readonly<Record<string, unknown>>): Omit<SolveResult, "tests" | "isSimulated"> | null {
  const { verdict, stopped, correct, confidence } = told;
  if (isVerdict(verdict)) {
    const found = `${counted(told.programs, "program")} in ${counted(told.iterations, "iteration")}.`;
    const words = stopped === "cut" ? `${found} The search was ended before it was over.` : found;
    return { isSolved: verdict === "solved", title: VERDICTS[verdict], words };
  }
  if (typeof correct !== "boolean") return null;
  return { isSolved: correct, title: correct ? SEEN : NOT_SEEN, words: `The model was sure to ${confidence} %.` };
}

/** Null for a search that has no result: it was ended before it had found anything. */
export function resultOf(value: unknown): SolveResult | null {
  if (typeof value !== "object" || value === null) return null;
  const told = value as Record<string, unknown>;
  const words = outcomeWords(told);
  if (words === null) return null;
  return {
    ...words,
    tests: listOf(told.tests).map(testOf),
    isSimulated: told.simulated === true,
  };
}
