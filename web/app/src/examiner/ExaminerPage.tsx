import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect } from "react";
import { PuzzleBrowser, toSearch } from "../arc/PuzzleBrowser.tsx";
import type { PuzzleFilter } from "../arc/puzzles.ts";
import { useKeys } from "../browser/keys.ts";
import { SIMULATED } from "../chat/ModelSelect.tsx";
import { useRun } from "../chat/useRun.ts";
import { type ExaminerSearch, runIn, taskIn, taskOf } from "./address.ts";
import { Introduction } from "./Introduction.tsx";
import type { AnalysisRequest } from "./opening.ts";
import { streaming } from "./preferences.ts";
import { place, PuzzlePage } from "./PuzzlePage.tsx";
import { type Analysing, useAnalysing } from "./useAnalysing.ts";

const route = getRouteApi("/examiner");
// A large one, which is seen to fill.
const EXAMPLE: AnalysisRequest = { task: "00d62c1b", model: SIMULATED };

/** Puzzles, and what models make of them. Its address holds the puzzle and the run: a reload goes on with both. */
export function ExaminerPage() {
  const search: ExaminerSearch = route.useSearch();
  const navigate = useNavigate();
  const filter: PuzzleFilter = { set: search.set ?? "", query: search.query ?? "" };
  const kept = toSearch(filter);
  const { set, query } = kept;
  const id = runIn(search);
  const [live, view] = useRun(id);
  const task = taskOf(view?.run?.request.input) ?? taskIn(search);
  const show = useCallback(
    (run: string, { task: of }: AnalysisRequest): void => {
      const list = { ...(set === undefined ? {} : { set }), ...(query === undefined ? {} : { query }) };
      void navigate({ to: "/examiner", search: { ...list, task: of, run } });
    },
    [navigate, set, query],
  );
  const analysing = useAnalysing(show);
  const { leave } = analysing;
  // Another puzzle, or the list: nobody waits here any more.
  useEffect(() => leave, [leave, task]);
  useEffect(() => {
    document.title = `${task === null ? "Examiner" : `Puzzle ${task}`} · Headwater`;
  }, [task]);
  if (task === null && id === null) {
    const change = (to: PuzzleFilter): void =>
      void navigate({ to: "/examiner", search: toSearch(to), replace: true });
    const example = (): void => analysing.begin(EXAMPLE, streaming.get() === "on");
    return <List filter={filter} change={change} analysing={analysing} example={example} />;
  }
  return <PuzzlePage task={task} live={live} view={view} analysing={analysing} kept={kept} />;
}

interface ListProps {
  readonly filter: PuzzleFilter;
  readonly change: (filter: PuzzleFilter) => void;
  readonly analysing: Analysing;
  readonly example: () => void;
}

function List({ filter, change, analysing, example }: ListProps) {
  useKeys(null, place);
  return (
    <main className="chat examiner">
      <h1 className="for-readers">Examiner</h1>
      <div className="scroller">
        <div className="models-column">
          <Introduction opening={analysing.opening} example={example} />
          <PuzzleBrowser page="/examiner" filter={filter} change={change} />
        </div>
      </div>
    </main>
  );
}
