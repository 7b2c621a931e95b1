import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { usePuzzle } from "../arc/usePuzzles.ts";
import { useKeys } from "../browser/keys.ts";
import { isEnd } from "../chat/status.ts";
import { useListRefresh } from "../chat/useRun.ts";
import { PuzzleChoice } from "./PuzzleChoice.tsx";
import { SearchView } from "./SearchView.tsx";
import { statusOfSolve } from "./SolveHead.tsx";
import "../styles/solver.css";
import { type Solving, taskOf, useSolve, VISUAL } from "./useSolve.ts";

const route = getRouteApi("/solver");

const place = (): HTMLElement | null => document.querySelector("main input");

const WORKFLOWS: readonly string[] = ["solver", VISUAL];

/** Takes the keyboard along to a search that was begun here; the form with its button is gone. */
function useFocusOnBeginning({ starting, error }: Solving, shown: string | null): void {
  const begun = useRef(false);
  useEffect(() => {
    if (starting || error !== null) begun.current = starting;
  }, [starting, error]);
  useEffect(() => {
    if (shown === null || !begun.current) return;
    begun.current = false;
    document.getElementById("composer")?.focus();
  }, [shown]);
}

function Missing() {
  return (
    <div className="notice">
      <h1>This search is not here</h1>
      <p>It was deleted, or its address is not whole.</p>
    </div>
  );
}

/** Programs that a model writes for a puzzle. Its address holds the run: a reload goes on in the middle of a search. */
export function SolverPage() {
  const { run = null, task: chosen = null } = route.useSearch();
  const solving = useSolve(run);
  const { view } = solving;
  const task = run === null ? chosen : taskOf(view?.run ?? null);
  const puzzle = usePuzzle(task);
  const missing = view !== null && (view.missing || !WORKFLOWS.includes(view.run?.workflow ?? VISUAL));
  const ended = view === null || missing || isEnd(statusOfSolve(view).kind);
  useFocusOnBeginning(solving, view === null || missing ? null : run);
  useKeys(ended ? null : solving.stop, place);
  useListRefresh(ended, run);
  useEffect(() => {
    document.title = `${task === null ? "Solver" : `Solver · ${task}`} · Headwater`;
  }, [task]);
  return (
    <main className="chat solver">
      <h1 className="for-readers">Solver</h1>
      {missing ? (
        <Missing />
      ) : view !== null && run !== null ? (
        <SearchView id={run} task={task} puzzle={puzzle.data ?? null} view={view} solving={solving} />
      ) : (
        <PuzzleChoice task={task} query={puzzle} solving={solving} />
      )}
    </main>
  );
}
