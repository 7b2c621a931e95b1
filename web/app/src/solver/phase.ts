/** A phase of the visual solver (docs/reference/visual-solver.md): one call of the model, shown pictures. */

import { type Grid, gridOf } from "../arc/grid.ts";

export interface Phase {
  readonly number: number;
  readonly title: string;
  /** Whether what was to be predicted is a test's output, and not a training pair's. */
  readonly isTest: boolean;
  /** The place of the training pair or of the test, from 0. */
  readonly at: number;
  /** Before that the model answers. */
  readonly isDone: boolean;
  readonly text: string;
  readonly predicted: Grid | null;
  /** Null where nothing was to be predicted. */
  readonly isRight: boolean | null;
  readonly share: number | null;
}

const TITLES: Readonly<Record<string, (pair: number) => string>> = {
  first_example: (pair) => `Looks at pair ${pair}`,
  prediction: (pair) => `Predicts pair ${pair}`,
  correction: (pair) => `Sees what pair ${pair} is`,
  example: (pair) => `Holds its rule against pair ${pair}`,
  test: (pair) => `Answers test ${pair}`,
};

/** Null for the iterations of another solver. */
export function phaseOf(number: number, data: Readonly<Record<string, unknown>>): Phase | null {
  const { phase, pair, text, correct, cell_share: share } = data;
  if (typeof phase !== "string") return null;
  const place = typeof pair === "number" ? pair : number;
  const title = Object.hasOwn(TITLES, phase) ? TITLES[phase]?.(place) : undefined;
  return {
    number,
    title: title ?? phase.replaceAll("_", " "),
    isTest: phase === "test",
    at: place - 1,
    isDone: data.state !== "asking",
    text: typeof text === "string" ? text : "",
    predicted: gridOf(data.predicted),
    isRight: typeof correct === "boolean" ? correct : null,
    share: typeof share === "number" ? share : null,
  };
}
