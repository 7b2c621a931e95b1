/** Analyses that have ended, as the server keeps them: `GET /api/arc/analyses`, docs/reference/analysis.md. */

import type { Headwater, Usage } from "@headwater/client";
import type { Grid } from "../arc/grid.ts";
import { read } from "../arc/puzzles.ts";

export interface TestVerdict {
  /** Null where none was found in the answer. */
  readonly predicted: Grid | null;
  readonly truth: Grid;
  readonly correct: boolean;
  /** 0 to 1. */
  readonly cell_share: number;
  readonly found_in: string | null;
}

export interface AnalysisResult {
  readonly task_id: string;
  readonly simulated: boolean;
  readonly pattern_description: string;
  readonly solving_strategy: string;
  readonly hints: readonly string[];
  /** 0 to 100. */
  readonly confidence: number;
  readonly confidence_given: boolean;
  readonly tests: readonly TestVerdict[];
  /** Null where the answer is not whole, or was shown to the model. */
  readonly correct: boolean | null;
  readonly correct_tests: number;
  /** 0 to 1: how well the confidence fits what came of it. */
  readonly trustworthiness: number | null;
  readonly notes: readonly string[];
}

/** One in a list; alone it has its prompt, answer and reasoning too. */
export interface Analysis {
  readonly run: string;
  readonly state: "completed" | "failed" | "cancelled";
  readonly partial: boolean;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly created_at: string;
  readonly duration_ms: number | null;
  readonly model: string;
  readonly usage: Usage | null;
  /** Null where the run was cut before it began. */
  readonly result: AnalysisResult | null;
}

export interface AnalysisPage {
  readonly analyses: readonly Analysis[];
  readonly next: string | null;
}

const PAGE = 20;
const PATH = "/api/arc/analyses";

export function readAnalysis(client: Headwater, run: string, signal: AbortSignal): Promise<Analysis> {
  return read(client, `${PATH}/${encodeURIComponent(run)}`, {}, signal);
}

/** Those of one puzzle, newest first. */
export function readAnalyses(
  client: Headwater,
  task: string,
  cursor: string | null,
  signal: AbortSignal,
): Promise<AnalysisPage> {
  return read(client, PATH, { task, limit: PAGE, cursor: cursor ?? undefined }, signal);
}

export type Verdict = "right" | "wrong" | "unjudged";

export function verdictOf({ result }: Analysis): Verdict {
  if (result === null || result.correct === null) return "unjudged";
  return result.correct ? "right" : "wrong";
}

/** The verdict in a word or two. */
export function verdictName({ state, result }: Analysis): string {
  if (state === "cancelled") return "Stopped";
  if (state === "failed") return "Failed";
  if (result === null || result.correct === null) return "Not judged";
  return result.correct ? "Right" : "Wrong";
}

/** The same, and of several tests how many of them are right. */
export function verdictWords(analysis: Analysis): string {
  const { result } = analysis;
  const name = verdictName(analysis);
  if (verdictOf(analysis) === "unjudged" || result === null || result.tests.length < 2) return name;
  return `${name} · ${result.correct_tests} of ${result.tests.length} tests right`;
}

/** Rounded down: only what is whole is 100 %. */
export const percentWords = (share: number): string => `${Math.floor(share * 100)} %`;
