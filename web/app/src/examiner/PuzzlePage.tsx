import { Link } from "@tanstack/react-router";
import { usePuzzle } from "../arc/usePuzzles.ts";
import { useKeys } from "../browser/keys.ts";
import type { LiveRun } from "../chat/liveRun.ts";
import type { RunView } from "../chat/runFold.ts";
import { useModel } from "../chat/ModelSelect.tsx";
import { isEnd } from "../chat/status.ts";
import { useCancel } from "../chat/useCancel.ts";
import { useListRefresh } from "../chat/useRun.ts";
import { Icon } from "../shell/Icon.tsx";
import type { ExaminerSearch } from "./address.ts";
import { AnalysisPane, MISSING } from "./AnalysisPane.tsx";
import { Dock } from "./Dock.tsx";
import { PastAnalyses } from "./PastAnalyses.tsx";
import { streaming } from "./preferences.ts";
import { PuzzlePane } from "./PuzzlePane.tsx";
import { useStoredAnalysis } from "./useAnalyses.ts";
import type { Analysing } from "./useAnalysing.ts";

interface PuzzlePageProps {
  /** Null as long as only the run is known. */
  readonly task: string | null;
  readonly live: LiveRun | null;
  readonly view: RunView | null;
  readonly analysing: Analysing;
  /** What the list was asked for. */
  readonly kept: ExaminerSearch;
}

export const place = (): HTMLElement | null => document.getElementById("composer");

/** Nothing more comes of it. */
function isOver(view: RunView | null): boolean {
  return view === null || view.missing || view.trouble !== null || isEnd(view.status.kind);
}

/** The address names a run alone, which has not said which puzzle it is about, or never will. */
function NoPuzzle({ view }: Pick<PuzzlePageProps, "view">) {
  if (view === null || (view.run === null && !isOver(view))) return <p className="hint">Loading the analysis</p>;
  const words = view.missing ? MISSING : (view.trouble ?? "This run is no analysis of a puzzle.");
  return (
    <div className="notice" role="alert">
      <p>{words}</p>
    </div>
  );
}

/** One puzzle, and an analysis of it. */
export function PuzzlePage({ task, live, view, analysing, kept }: PuzzlePageProps) {
  const puzzle = usePuzzle(task);
  const choice = useModel();
  const { opening, begin } = analysing;
  const id = live?.id ?? null;
  const over = isOver(view);
  const stored = useStoredAnalysis(id, over && view !== null && !view.missing);
  const beginning = opening.kind === "opening" || opening.kind === "whole";
  const cancel = useCancel(live, !over);
  const stop = beginning ? analysing.stop : over ? null : cancel.stop;
  useKeys(stop, place);
  useListRefresh(over, id);
  const analyse = (): void => {
    if (task !== null) begin({ task, model: choice.model }, streaming.get() === "on");
  };
  return (
    <main className="chat examiner">
      <h1 className="for-readers">{task === null ? "Examiner" : `Puzzle ${task}`}</h1>
      <div className="scroller">
        <div className="examiner-columns">
          <div className="examiner-puzzle">
            <Link to="/examiner" search={kept} className="quiet" data-testid="all-puzzles">
              <Icon name="back" />
              All puzzles
            </Link>
            {task === null ? <NoPuzzle view={view} /> : <PuzzlePane task={task} puzzle={puzzle} />}
          </div>
          <div className="examiner-analysis">
            {puzzle.data !== undefined && (
              <AnalysisPane
                puzzle={puzzle.data}
                view={view}
                stored={stored.data ?? null}
                opening={opening}
                again={analyse}
                note={cancel.error}
                kept={kept}
              />
            )}
            {task !== null && <PastAnalyses task={task} run={id} ended={over} search={{ ...kept, task }} />}
          </div>
        </div>
      </div>
      <Dock
        choice={choice}
        analyse={puzzle.data === undefined ? null : analyse}
        stop={stop}
        stopping={beginning ? opening.stopping : cancel.under}
        again={id !== null}
      />
    </main>
  );
}
