import { memo } from "react";
import { PairView } from "../arc/PairView.tsx";
import type { Puzzle } from "../arc/puzzles.ts";

interface TrainingPairsProps {
  readonly puzzle: Puzzle;
  /** The longest side of a grid, in pixels. */
  readonly side: number;
}

/** The examples that the programs are to be right on, side by side; where they have no room, they scroll. */
export const TrainingPairs = memo(function TrainingPairs({ puzzle, side }: TrainingPairsProps) {
  return (
    <ol className="training-pairs" aria-label="Training pairs" tabIndex={0} data-testid="training-pairs">
      {puzzle.train.map(({ input, output }, at) => (
        <li key={at}>
          <PairView name={`Pair ${at + 1}`} input={input} output={output} side={side} />
        </li>
      ))}
    </ol>
  );
});
