import { GridView } from "../arc/GridView.tsx";
import { sizeOf, sizeWords } from "../arc/grid.ts";
import { PairView } from "../arc/PairView.tsx";
import { type Puzzle, setWords } from "../arc/puzzles.ts";

const PAIR_PX = 152;

interface PuzzleViewProps {
  readonly puzzle: Puzzle;
  readonly numbered: boolean;
}

/** What the model is shown: pairs that follow a rule, and inputs that the rule is to be applied to. */
export function PuzzleView({ puzzle, numbered }: PuzzleViewProps) {
  const { train, test } = puzzle;
  return (
    <section className="puzzle" aria-label="Puzzle" data-testid="puzzle-view" data-task={puzzle.id}>
      <header>
        <h2>{puzzle.id}</h2>
        <p className="hint">{setWords(puzzle.set)}</p>
      </header>
      <h3>{train.length === 1 ? "One example" : `${train.length} examples`}</h3>
      <ol className="pairs">
        {train.map(({ input, output }, at) => (
          <li key={at}>
            <PairView input={input} output={output} name={`Example ${at + 1}`} side={PAIR_PX} numbered={numbered} />
            <p className="hint">{`${sizeWords(sizeOf(input))} to ${sizeWords(sizeOf(output))}`}</p>
          </li>
        ))}
      </ol>
      <h3>{test.length === 1 ? "To be solved" : `${test.length} to be solved`}</h3>
      <ol className="pairs">
        {test.map(({ input }, at) => (
          <li key={at}>
            <GridView grid={input} label={`Test ${at + 1}, input`} side={PAIR_PX} numbered={numbered} />
            <p className="hint">{sizeWords(sizeOf(input))}</p>
          </li>
        ))}
      </ol>
    </section>
  );
}
