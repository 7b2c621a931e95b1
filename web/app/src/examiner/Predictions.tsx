import { type Grid, type Size, sizeOf } from "../arc/grid.ts";
import { GridView } from "../arc/GridView.tsx";
import type { Puzzle } from "../arc/puzzles.ts";
import { percentWords, type TestVerdict } from "./analyses.ts";
import { VerdictMark } from "./VerdictMark.tsx";

const GRID_PX = 248;
const CELL_PX = 40;
const NOTHING: Grid = [];

interface PredictionsProps {
  readonly puzzle: Puzzle;
  /** As far as they have come. */
  readonly grids: readonly (Grid | null)[];
  /** What came of each test; null until the analysis has ended. */
  readonly verdicts: readonly TestVerdict[] | null;
  readonly growing: boolean;
  readonly numbered: boolean;
}

/** What is predicted for each test, and beside it the truth once it has been judged. */
export function Predictions({ puzzle, grids, verdicts, growing, numbered }: PredictionsProps) {
  const { test } = puzzle;
  return (
    <ol className="predictions" aria-busy={growing}>
      {test.map(({ output }, at) => (
        <li key={at}>
          <Prediction
            name={test.length === 1 ? "Prediction" : `Prediction ${at + 1}`}
            grid={verdicts === null ? (grids[at] ?? null) : (verdicts[at]?.predicted ?? null)}
            room={growing ? sizeOf(output) : null}
            verdict={verdicts?.[at] ?? null}
            numbered={numbered}
          />
        </li>
      ))}
    </ol>
  );
}

interface PredictionProps {
  readonly name: string;
  readonly grid: Grid | null;
  readonly room: Size | null;
  readonly verdict: TestVerdict | null;
  readonly numbered: boolean;
}

function Prediction({ name, grid, room, verdict, numbered }: PredictionProps) {
  const shown = grid ?? (room === null ? null : NOTHING);
  return (
    <article className="prediction" aria-label={name} data-testid="prediction" data-rows={grid?.length ?? 0}>
      <div className="prediction-grids">
        <figure>
          <figcaption>{name}</figcaption>
          {shown === null ? (
            <p className="no-grid">No grid was found in the answer.</p>
          ) : (
            <GridView
              grid={shown}
              label={name}
              side={GRID_PX}
              cell={CELL_PX}
              room={room}
              against={verdict === null ? null : verdict.truth}
              numbered={numbered}
            />
          )}
        </figure>
        {verdict !== null && (
          <figure>
            <figcaption>Truth</figcaption>
            <GridView grid={verdict.truth} label="Truth" side={GRID_PX} cell={CELL_PX} numbered={numbered} />
          </figure>
        )}
      </div>
      {verdict !== null && (
        <p className="prediction-verdict">
          <VerdictMark verdict={verdict.correct ? "right" : "wrong"} words={verdictWords(verdict)} />
        </p>
      )}
    </article>
  );
}

function verdictWords({ correct, predicted, truth, cell_share: share }: TestVerdict): string {
  if (correct) return "Every cell is right";
  if (predicted === null) return "Nothing to compare";
  const [mine, wanted] = [sizeOf(predicted), sizeOf(truth)];
  const cells = `${percentWords(share)} of the cells are right`;
  const same = mine.rows === wanted.rows && mine.columns === wanted.columns;
  return same ? cells : `Another size: ${mine.rows} × ${mine.columns} and not ${wanted.rows} × ${wanted.columns}`;
}
