import type { Grid } from "../arc/grid.ts";
import type { Puzzle } from "../arc/puzzles.ts";
import { isEnd } from "../chat/status.ts";
import { IterationCard } from "./IterationCard.tsx";
import { LogPanel } from "./LogPanel.tsx";
import type { Phase } from "./phase.ts";
import { PhaseCard } from "./PhaseCard.tsx";
import { ResultCard } from "./ResultCard.tsx";
import { ScoreChart } from "./ScoreChart.tsx";
import { SolveHead, statusOfSolve } from "./SolveHead.tsx";
import type { SolveView } from "./solveFold.ts";
import { TokensPanel } from "./TokensPanel.tsx";
import { TrainingPairs } from "./TrainingPairs.tsx";
import { plannedOf, type Solving, VISUAL } from "./useSolve.ts";

const PAIR_PX = 80;

interface SearchViewProps {
  readonly id: string;
  readonly task: string | null;
  /** Null while it is not there. */
  readonly puzzle: Puzzle | null;
  readonly view: SolveView;
  readonly solving: Solving;
}

function truthOf({ isTest, at }: Phase, puzzle: Puzzle | null): Grid | null {
  return (isTest ? puzzle?.test : puzzle?.train)?.[at]?.output ?? null;
}

/** A search: how it goes, what it found, what the model writes and what is logged. */
export function SearchView({ id, task, puzzle, view, solving }: SearchViewProps) {
  const status = statusOfSolve(view);
  const ended = isEnd(status.kind);
  const { result } = view;
  const truths = puzzle?.train.map(({ output }) => output) ?? [];
  const looks = view.run?.workflow === VISUAL;
  const newest = view.iterations.findLast(({ isDone }) => isDone)?.number;
  return (
    <article
      className="search"
      id="composer"
      tabIndex={-1}
      data-testid="search"
      data-run={id}
      data-state={status.kind}
      data-cursor={view.snapshot.seq}
      aria-label={`Search for ${task ?? "a program"}`}
    >
      <div className="search-steps">
        <SolveHead task={task} view={view} solving={solving} />
        {result !== null && <ResultCard result={result} tests={puzzle?.test ?? []} />}
        {!looks && <ScoreChart iterations={view.iterations} planned={plannedOf(view.run)} />}
        {puzzle !== null && <TrainingPairs puzzle={puzzle} side={PAIR_PX} />}
        <ol className="iterations" aria-label="Steps, newest first">
          {[...view.phases].reverse().map((phase) => (
            <PhaseCard key={phase.number} phase={phase} truth={truthOf(phase, puzzle)} ended={ended} />
          ))}
          {[...view.iterations].reverse().map((iteration) => (
            <IterationCard
              key={iteration.number}
              iteration={iteration}
              truths={truths}
              newest={iteration.number === newest}
              ended={ended}
            />
          ))}
        </ol>
      </div>
      <div className="search-panels">
        <TokensPanel calls={view.calls} ended={ended} />
        {/* Who looks tells each step by its phase, and logs nothing. */}
        {(!looks || view.lines.length > 0) && (
          <LogPanel lines={view.lines} before={view.linesBefore} socket={view.socket} ended={ended} />
        )}
      </div>
    </article>
  );
}
