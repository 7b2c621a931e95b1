import { Link } from "@tanstack/react-router";
import type { RunView } from "../chat/runFold.ts";
import { Words } from "../chat/Words.tsx";
import { Icon } from "../shell/Icon.tsx";
import { ComparedAnswer } from "./ComparedAnswer.tsx";
import { progressWords, questionOf } from "./comparison.ts";
import type { Refusal } from "./useComparison.ts";
import type { Stops } from "./useStops.ts";

interface ComparisonProps {
  readonly views: ReadonlyMap<string, RunView>;
  readonly refusals: readonly Refusal[];
  readonly stops: Stops;
  readonly retry: (run: string) => void;
}

/** One question and its answers, side by side. */
export function ComparisonView({ views, refusals, stops, retry }: ComparisonProps) {
  return (
    <div className="comparison">
      <div className="comparison-head">
        <Link to="/models" className="quiet" data-testid="all-models">
          <Icon name="back" />
          All models
        </Link>
        <p className="question" data-testid="question">
          {questionOf(views)}
        </p>
        <p className="for-readers" role="status">
          {progressWords(views)}
        </p>
      </div>
      <Refusals refusals={refusals} />
      <div className="answers" data-count={views.size}>
        {Array.from(views, ([id, view]) => (
          <ComparedAnswer key={id} id={id} view={view} stops={stops} retry={retry} />
        ))}
      </div>
    </div>
  );
}

/** Questions that did not become runs: the others go on without them. */
export function Refusals({ refusals }: { refusals: readonly Refusal[] }) {
  return refusals.map(({ model, reason }, at) => (
    <p key={at} className="explanation" data-state="failed" role="alert" data-testid="refused">
      <strong>{model}</strong> was not asked. <Words text={reason} />
    </p>
  ));
}
