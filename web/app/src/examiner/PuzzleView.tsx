import type { ReactNode } from "react";
import { GridView } from "../arc/GridView.tsx";
import { sizeOf, sizeWords } from "../arc/grid.ts";
import { PairView } from "../arc/PairView.tsx";
import { type Puzzle, setWords } from "../arc/puzzles.ts";
import { useColumns } from "../browser/wide.ts";

// In a strip above the analysis, and in a column beside it.
const STRIP = { side: 96, cell: 20 };
const COLUMN = { side: 152, cell: 28 };

interface PuzzleViewProps {
  readonly puzzle: Puzzle;
  readonly numbered: boolean;
}

/** What the model is shown: pairs that follow a rule, and inputs that the rule is to be applied to. */
export function PuzzleView({ puzzle, numbered }: PuzzleViewProps) {
  const columns = useColumns();
  const { id, set, train, test } = puzzle;
  const size = columns ? COLUMN : STRIP;
  // What can be scrolled is reached by the keyboard.
  const scrolls = columns ? {} : { tabIndex: 0, role: "group", "aria-label": "Grids of the puzzle" };
  return (
    <section className="puzzle" aria-label="Puzzle" data-testid="puzzle-view" data-task={id}>
      <header>
        <h2>{id}</h2>
        <p className="hint">{setWords(set)}</p>
      </header>
      <div className="puzzle-parts" {...scrolls}>
        <Part title={train.length === 1 ? "One example" : `${train.length} examples`}>
          {train.map(({ input, output }, at) => (
            <li key={at}>
              <PairView input={input} output={output} name={`Example ${at + 1}`} numbered={numbered} {...size} />
              <p className="hint">{`${sizeWords(sizeOf(input))} to ${sizeWords(sizeOf(output))}`}</p>
            </li>
          ))}
        </Part>
        <Part title={test.length === 1 ? "To be solved" : `${test.length} to be solved`}>
          {test.map(({ input }, at) => (
            <li key={at}>
              <GridView grid={input} label={`Test ${at + 1}, input`} numbered={numbered} {...size} />
              <p className="hint">{sizeWords(sizeOf(input))}</p>
            </li>
          ))}
        </Part>
      </div>
    </section>
  );
}

function Part({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <div className="puzzle-part">
      <h3>{title}</h3>
      <ol className="pairs">{children}</ol>
    </div>
  );
}
