import type { Opening } from "./useAnalysing.ts";

interface IntroductionProps {
  readonly opening: Opening;
  readonly example: () => void;
}

/** What this page is for, and a way to see it without a key. */
export function Introduction({ opening, example }: IntroductionProps) {
  const asking = opening.kind === "opening" || opening.kind === "whole";
  return (
    <section className="models-intro" aria-label="Introduction">
      <p>
        Each puzzle shows a rule in a few pairs of grids. A model says what the rule is and applies it; its grid fills
        in row by row, and is judged against the truth.
      </p>
      <button type="button" className="button" data-testid="example" disabled={asking} onClick={example}>
        {asking ? "Asking" : "Watch a simulated analysis"}
      </button>
      {opening.kind === "failed" && (
        <p className="explanation" data-state="failed" role="alert">
          {opening.reason}
        </p>
      )}
    </section>
  );
}
