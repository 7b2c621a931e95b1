import type { Puzzle } from "../arc/puzzles.ts";
import { usePreference } from "../browser/preference.ts";
import type { RunView } from "../chat/runFold.ts";
import type { Analysis } from "./analyses.ts";
import type { ExaminerSearch } from "./address.ts";
import { AnalysisView } from "./AnalysisView.tsx";
import { OpeningNote } from "./OpeningNote.tsx";
import { numbers } from "./preferences.ts";
import { UnderWay } from "./UnderWay.tsx";
import type { Opening } from "./useAnalysing.ts";

export const MISSING = "This analysis is not here. It was deleted, or the page’s address is not whole.";

interface AnalysisPaneProps {
  readonly puzzle: Puzzle;
  /** Null where the page's address names no run. */
  readonly view: RunView | null;
  readonly stored: Analysis | null;
  readonly opening: Opening;
  readonly again: () => void;
  readonly note: string | null;
  readonly kept: ExaminerSearch;
}

/** What is made of the puzzle: nothing yet, what is being begun, or an analysis. */
export function AnalysisPane({ puzzle, view, stored, opening, again, note, kept }: AnalysisPaneProps) {
  const [numbered] = usePreference(numbers);
  if (opening.kind !== "none") return <OpeningNote opening={opening} again={again} />;
  if (view === null) {
    return (
      <section className="analysis-idle" aria-label="Analysis">
        <UnderWay task={puzzle.id} kept={kept} />
        <p>
          Choose a model below and press <strong>Analyse</strong>. It is shown the examples and{" "}
          {puzzle.test.length === 1 ? "the input" : "the inputs"} to be solved, and not the truth.
        </p>
      </section>
    );
  }
  if (view.missing) {
    return <p className="explanation">{MISSING}</p>;
  }
  return <AnalysisView puzzle={puzzle} view={view} stored={stored} numbered={numbered === "on"} note={note} />;
}
