import { NotFound } from "@headwater/client";
import { Link } from "@tanstack/react-router";
import { usePreference } from "../browser/preference.ts";
import { usePuzzle } from "../arc/usePuzzles.ts";
import { numbers } from "./preferences.ts";
import { PuzzleView } from "./PuzzleView.tsx";

interface PuzzlePaneProps {
  readonly task: string;
  readonly puzzle: ReturnType<typeof usePuzzle>;
}

/** The puzzle, or why it can not be shown. */
export function PuzzlePane({ task, puzzle }: PuzzlePaneProps) {
  const [numbered] = usePreference(numbers);
  if (puzzle.data !== undefined) return <PuzzleView puzzle={puzzle.data} numbered={numbered === "on"} />;
  if (!puzzle.isError) return <p className="hint">Loading the puzzle</p>;
  if (puzzle.error instanceof NotFound) {
    return (
      <div className="notice">
        <p>There is no puzzle {task}.</p>
        <p>
          <Link to="/examiner" className="link">
            Look at those that there are
          </Link>
        </p>
      </div>
    );
  }
  return (
    <div className="notice" role="alert">
      <p>The puzzle can not be read now.</p>
      <p>
        <button type="button" className="button" data-testid="again" onClick={() => void puzzle.refetch()}>
          Try again
        </button>
      </p>
    </div>
  );
}
