/** What there is of an analysis while the model still writes it: the fields of its structured answer so far. */

import { type Grid, gridOf } from "../arc/grid.ts";

export interface PartialAnswer {
  /** What is predicted for each test, as far as it has come. */
  readonly grids: readonly (Grid | null)[];
  readonly strategy: string;
  readonly pattern: string;
  readonly hints: readonly string[];
  /** 0 to 100; null as long as nothing was said of it. */
  readonly confidence: number | null;
}

// What models call the grid where they do not take the schema's word.
const GRID_NAMES = ["predictedOutput", "output", "solution", "answer"];

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** As the server counts it where a model says how sure it is: a share up to 1, a number up to 100, yes or no. */
function confidenceOf(value: unknown): number | null {
  if (typeof value === "boolean") return value ? 100 : 0;
  const number = typeof value === "string" ? Number.parseFloat(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number) || number < 0) return null;
  const isPercent = typeof value === "string" && /^[\d\s.]*(?:%|percent\b)/.test(value);
  return Math.min(100, Math.round(number <= 1 && !isPercent ? number * 100 : number));
}

function gridsOf(answer: Readonly<Record<string, unknown>>, tests: number): (Grid | null)[] {
  const numbered = Array.from({ length: tests }, (_, at) => gridOf(answer[`predictedOutput${at + 1}`]));
  if (numbered.some((grid) => grid !== null)) return numbered;
  const first = GRID_NAMES.map((name) => gridOf(answer[name])).find((grid) => grid !== null) ?? null;
  return numbered.map((_, at) => (at === 0 ? first : null));
}

/** `value` is a run's snapshot's; it may be anything, and then there is nothing. `tests` is how many the puzzle has. */
export function answerOf(value: unknown, tests: number): PartialAnswer {
  const whole = isObject(value) ? value : {};
  const answer = isObject(whole.result) ? { ...whole, ...whole.result } : whole;
  return {
    grids: gridsOf(answer, tests),
    strategy: textOf(answer.solvingStrategy),
    pattern: textOf(answer.patternDescription),
    hints: Array.isArray(answer.hints) ? answer.hints.filter((hint) => typeof hint === "string" && hint !== "") : [],
    confidence: confidenceOf(answer.confidence),
  };
}
