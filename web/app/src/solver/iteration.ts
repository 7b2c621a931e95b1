/** What a solver tells of an iteration (docs/reference/solver.md), read with care: newer servers may tell more. */

import { type Grid, gridOf } from "../arc/grid.ts";

/** What a program made of one training pair. */
export interface PairOutcome {
  readonly isRight: boolean;
  /** 0 to 1: how many of the cells are right. */
  readonly share: number;
  /** Null where there is none, or it was too large to be told. */
  readonly output: Grid | null;
  /** Why there is none. */
  readonly error: string | null;
}

export interface Program {
  readonly code: string;
  /** 0 to 1: the mean over all training pairs. */
  readonly share: number;
  readonly rightPairs: number;
  readonly pairs: number;
  readonly outcomes: readonly PairOutcome[];
  /** Why it gave no grid for any pair. */
  readonly error: string | null;
}

export interface Iteration {
  readonly number: number;
  /** Whether its programs have been tried; before that the model writes. */
  readonly isDone: boolean;
  /** Best first. */
  readonly programs: readonly Program[];
  /** Sentences on what is not among them, and why. */
  readonly notes: readonly string[];
}

type Told = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);
const countOf = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const shareOf = (value: unknown): number => Math.min(1, Math.max(0, countOf(value)));

export function listOf(value: unknown): readonly Told[] {
  return Array.isArray(value) ? value.filter((each): each is Told => typeof each === "object" && each !== null) : [];
}

export function outcomeOf(told: Told): PairOutcome {
  return {
    isRight: told.correct === true,
    share: shareOf(told.cell_share),
    output: gridOf(told.output),
    error: textOf(told.error),
  };
}

function programOf(told: Told): Program {
  const outcomes = listOf(told.results).map(outcomeOf);
  return {
    code: textOf(told.code) ?? "",
    share: shareOf(told.cell_share),
    rightPairs: countOf(told.correct_pairs),
    pairs: countOf(told.pairs),
    outcomes,
    error: textOf(told.error),
  };
}

function leftOutWords(count: number): string[] {
  if (count === 0) return [];
  return [`${count} ${count === 1 ? "program was" : "programs were"} not tried.`];
}

export function iterationOf(number: number, data: Told): Iteration {
  const notes = Array.isArray(data.notes) ? data.notes.filter((each) => typeof each === "string") : [];
  return {
    number,
    isDone: data.state !== "asking",
    programs: listOf(data.programs).map(programOf),
    notes: [...leftOutWords(countOf(data.left_out)), ...notes],
  };
}

/** That of the best program, null where none was tried. */
export function bestShare({ programs }: Iteration): number | null {
  return programs.length === 0 ? null : Math.max(...programs.map(({ share }) => share));
}

/** Rounded down: only what is whole is 100 %. */
export function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}
