import { useMemo } from "react";
import type { Puzzle } from "../arc/puzzles.ts";
import { explain } from "../chat/Answer.tsx";
import { FiguresLine } from "../chat/FiguresLine.tsx";
import type { RunView } from "../chat/runFold.ts";
import { isEnd, type RunStatus } from "../chat/status.ts";
import { StatusBadge } from "../chat/StatusBadge.tsx";
import { Words } from "../chat/Words.tsx";
import type { Analysis } from "./analyses.ts";
import { answerOf, type PartialAnswer } from "./answer.ts";
import { Fields } from "./Fields.tsx";
import { Predictions } from "./Predictions.tsx";
import { ResultCard } from "./ResultCard.tsx";
import { Thoughts } from "./Thoughts.tsx";

interface AnalysisViewProps {
  readonly puzzle: Puzzle;
  readonly view: RunView;
  /** What is kept of it; null until it has ended, or where that can not be read. */
  readonly stored: Analysis | null;
  readonly numbered: boolean;
  /** What else there is to say of it. */
  readonly note: string | null;
}

/** What was read of the whole answer, where there is that; else what there is of it so far. */
function shownOf(stored: Analysis | null, value: unknown, tests: number): PartialAnswer {
  const far = answerOf(value, tests);
  if (stored === null || stored.result === null) return far;
  const { pattern_description: pattern, solving_strategy: strategy, hints, confidence } = stored.result;
  return { grids: far.grids, pattern, strategy, hints, confidence };
}

/** An analysis that arrives, or has ended. */
export function AnalysisView({ puzzle, view, stored, numbered, note }: AnalysisViewProps) {
  const { snapshot, run, figures } = view;
  const trouble = view.trouble;
  const status: RunStatus =
    trouble === null
      ? view.status
      : { kind: "failed", failure: { code: "NETWORK", message: trouble, retryable: true } };
  const growing = !isEnd(status.kind);
  const tests = puzzle.test.length;
  const answer = useMemo(() => shownOf(stored, snapshot.value, tests), [stored, snapshot.value, tests]);
  const explanation = note ?? trouble ?? explain(status, snapshot.text !== "");
  return (
    <article
      className="analysis"
      aria-label="Analysis"
      data-testid="analysis"
      data-run={run?.id}
      data-state={status.kind}
      data-cursor={snapshot.seq}
      data-live={growing}
    >
      <header>
        <h2>{run?.model ?? "…"}</h2>
        {stored?.result?.simulated === true && <span className="tag">scripted answers</span>}
        <span className="analysis-told">
          <StatusBadge status={status} />
          {figures !== null && <FiguresLine figures={figures} ended={!growing} />}
        </span>
      </header>
      {explanation !== null && (
        <p className="explanation" data-state={status.kind}>
          <Words text={explanation} />
        </p>
      )}
      <ResultCard analysis={stored} confidence={answer.confidence} tests={tests} />
      <div className="analysis-columns">
        <Predictions
          puzzle={puzzle}
          grids={answer.grids}
          verdicts={stored?.result?.tests ?? null}
          growing={growing}
          numbered={numbered}
        />
        <Thoughts snapshot={snapshot} growing={growing} />
      </div>
      <Fields answer={answer} growing={growing} />
    </article>
  );
}
