import { NotFound } from "@headwater/client";
import { Link } from "@tanstack/react-router";
import type { UseQueryResult } from "@tanstack/react-query";
import { useState } from "react";
import { PuzzleBrowser } from "../arc/PuzzleBrowser.tsx";
import { type Puzzle, setWords } from "../arc/puzzles.ts";
import { SIMULATED } from "../chat/ModelSelect.tsx";
import { Words } from "../chat/Words.tsx";
import { Icon } from "../shell/Icon.tsx";
import { SolveForm } from "./SolveForm.tsx";
import { TrainingPairs } from "./TrainingPairs.tsx";
import { ITERATIONS, type Solving } from "./useSolve.ts";

/** The simulated model has programs for it, wrong ones and then a right one. */
const EXAMPLE = "3c9b0459";
const GRID_PX = 144;

function Introduction({ solving }: { solving: Solving }) {
  const { start, starting, error } = solving;
  return (
    <section className="models-intro" aria-label="Introduction">
      <p>
        A model writes programs for a puzzle. Each runs on the training pairs in a sandbox, and the best go into the
        next prompt, until one is right on all or the iterations are used up.
      </p>
      <p className="hint">
        Pick a puzzle below, or watch the simulated model, which needs no key and costs nothing.
      </p>
      <button
        type="button"
        className="button"
        data-testid="example"
        disabled={starting}
        onClick={() => start({ method: "solver", task: EXAMPLE, model: SIMULATED, iterations: ITERATIONS })}
      >
        Watch a simulated search
      </button>
      {error !== null && (
        <p className="explanation" data-state="failed" role="alert">
          <Words text={error} />
        </p>
      )}
    </section>
  );
}

function Unread({ again }: { again: () => unknown }) {
  return (
    <>
      The puzzle can not be read now.{" "}
      <button type="button" className="link" onClick={() => void again()}>
        Try again
      </button>
    </>
  );
}

function Chosen({ task, query, solving }: { task: string; query: UseQueryResult<Puzzle>; solving: Solving }) {
  return (
    <section className="chosen-puzzle" aria-label={`Puzzle ${task}`}>
      <header className="solve-title">
        <Link to="/solver" className="quiet" aria-label="All puzzles" data-testid="all-puzzles">
          <Icon name="back" />
        </Link>
        <h2>
          {task} <small>{query.data === undefined ? "" : setWords(query.data.set)}</small>
        </h2>
      </header>
      {query.isPending && <p className="hint">Loading the puzzle</p>}
      {query.isError && (
        <p className="explanation" data-state="failed" role="alert">
          {query.error instanceof NotFound ? `There is no puzzle ${task}.` : <Unread again={query.refetch} />}
        </p>
      )}
      {query.data !== undefined && (
        <>
          <TrainingPairs puzzle={query.data} side={GRID_PX} />
          <p className="hint">
            The program that is right on these {query.data.train.length} pairs then answers{" "}
            {query.data.test.length === 1 ? "the test" : `${query.data.test.length} tests`}.
          </p>
          <SolveForm task={task} solving={solving} />
        </>
      )}
    </section>
  );
}

interface PuzzleChoiceProps {
  readonly task: string | null;
  readonly query: UseQueryResult<Puzzle>;
  readonly solving: Solving;
}

/** Which puzzle is searched, and how. */
export function PuzzleChoice({ task, query, solving }: PuzzleChoiceProps) {
  const [filter, change] = useState({ set: "", query: "" });
  return (
    <div className="scroller">
      <div className="models-column">
        {task === null ? (
          <>
            <Introduction solving={solving} />
            <PuzzleBrowser page="/solver" filter={filter} change={change} />
          </>
        ) : (
          <Chosen task={task} query={query} solving={solving} />
        )}
      </div>
    </div>
  );
}
