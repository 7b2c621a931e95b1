/** The server's puzzles: `GET /api/arc/tasks`, as docs/reference/analysis.md has it. */

import { type Headwater, ParseError } from "@headwater/client";
import type { Grid } from "./grid.ts";

export interface Pair {
  readonly input: Grid;
  readonly output: Grid;
}

export interface Puzzle {
  /** Eight hexadecimal digits. */
  readonly id: string;
  /** The newest collection that it is in. */
  readonly set: string;
  readonly train: readonly Pair[];
  readonly test: readonly Pair[];
}

/** A puzzle in a list: with its first pair to know it by. */
export interface PuzzleSummary {
  readonly id: string;
  readonly set: string;
  readonly first: Pair;
  readonly train_pairs: number;
  readonly tests: number;
}

export interface PuzzlePage {
  readonly tasks: readonly PuzzleSummary[];
  /** What the next page is asked for with; null behind the last. */
  readonly next: string | null;
}

export interface PuzzleFilter {
  /** One of `SETS`, or nothing for all. */
  readonly set: string;
  /** A part of the ids that are wanted. */
  readonly query: string;
}

export const SETS: Readonly<Record<string, string>> = {
  "arc2-training": "ARC-AGI-2, training",
  "arc2-evaluation": "ARC-AGI-2, evaluation",
  "arc1-training": "ARC-AGI-1, training",
  "arc1-evaluation": "ARC-AGI-1, evaluation",
};
/** The most characters of an id that are looked for. */
export const QUERY_MAX = 8;

export const setWords = (set: string): string => SETS[set] ?? set;

const PAGE = 48;

/** What the server answers to a reading of another route than those of runs. Throws `ClientError`. */
export async function read<Answer>(
  client: Headwater,
  path: string,
  query: Readonly<Record<string, string | number | undefined>>,
  signal: AbortSignal,
): Promise<Answer> {
  const body = await client.parts.http.call({ method: "GET", path, query }, signal);
  try {
    return JSON.parse(body) as Answer;
  } catch (cause) {
    throw new ParseError("The server's answer is not what was asked for", { cause });
  }
}

export function readPuzzles(
  client: Headwater,
  { set, query }: PuzzleFilter,
  cursor: string | null,
  signal: AbortSignal,
): Promise<PuzzlePage> {
  const wanted = { set: set in SETS ? set : undefined, query: query || undefined };
  return read(client, "/api/arc/tasks", { ...wanted, cursor: cursor ?? undefined, limit: PAGE }, signal);
}

export function readPuzzle(client: Headwater, id: string, signal: AbortSignal): Promise<Puzzle> {
  return read(client, `/api/arc/tasks/${encodeURIComponent(id)}`, {}, signal);
}
