import { Icon } from "../shell/Icon.tsx";
import type { Vote } from "./sessions.ts";

const VOTES = [
  ["up", "Good answer", "thumbUp"],
  ["down", "Bad answer", "thumbDown"],
] as const;

interface VotesProps {
  readonly vote: Vote | null;
  /** Pressed again, a vote is taken back. */
  readonly give: (given: Vote | "none") => void;
}

export function Votes({ vote, give }: VotesProps) {
  return (
    <span className="votes" role="group" aria-label="Was this answer good?">
      {VOTES.map(([each, label, icon]) => (
        <button
          key={each}
          type="button"
          className="quiet"
          aria-label={label}
          title={label}
          aria-pressed={vote === each}
          data-testid={`vote-${each}`}
          onClick={() => give(vote === each ? "none" : each)}
        >
          <Icon name={icon} />
        </button>
      ))}
    </span>
  );
}
