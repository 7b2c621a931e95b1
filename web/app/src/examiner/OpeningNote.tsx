import type { Opening } from "./useAnalysing.ts";

interface OpeningNoteProps {
  readonly opening: Opening;
  readonly again: () => void;
}

const WORDS = {
  opening: "Connecting",
  whole: "Analysing without a stream",
  fallback: "Fallback · analysing without a stream",
} as const;

/** An analysis of which no run is known yet. */
export function OpeningNote({ opening, again }: OpeningNoteProps) {
  if (opening.kind === "none") return null;
  if (opening.kind === "failed") {
    return (
      <section className="opening" data-testid="opening" data-state="failed" aria-label="Analysis">
        <p className="explanation" data-state="failed" role="alert">
          {opening.reason}
        </p>
        <p>
          <button type="button" className="button" data-testid="retry" onClick={again}>
            Try again
          </button>
        </p>
      </section>
    );
  }
  const { kind } = opening;
  const fell = kind === "whole" && opening.fellBack;
  const state = kind === "opening" ? "connecting" : fell ? "falling_back" : "streaming";
  return (
    <section className="opening" data-testid="opening" data-state={fell ? "fallback" : kind} aria-label="Analysis">
      <p role="status" className="badge" data-state={state}>
        <i className="dot" data-state={state} />
        {WORDS[fell ? "fallback" : kind]}
      </p>
      {kind === "whole" && (
        <p className="hint">
          {fell && "The server gives no stream now. "}
          The answer is shown when it has ended. It goes on at the server when this page is left.
        </p>
      )}
    </section>
  );
}
