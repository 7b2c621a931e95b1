import { memo } from "react";
import type { Grid } from "../arc/grid.ts";
import { GridView } from "../arc/GridView.tsx";
import { PlainText } from "../chat/PlainText.tsx";
import { Icon } from "../shell/Icon.tsx";
import { percent } from "./iteration.ts";
import type { Phase } from "./phase.ts";

const GRID_PX = 144;

function scoreWords({ isDone, isRight, share, predicted }: Phase, ended: boolean): string {
  if (!isDone) return ended ? "Not finished" : "The model answers";
  if (isRight === null) return "";
  if (isRight) return "Right";
  return predicted === null ? "No grid" : `${percent(share ?? 0)} of cells`;
}

interface PhaseCardProps {
  readonly phase: Phase;
  /** What was to be predicted; null where that is not known. */
  readonly truth: Grid | null;
  /** The search has: what is not done will not be. */
  readonly ended: boolean;
}

export const PhaseCard = memo(function PhaseCard({ phase, truth, ended }: PhaseCardProps) {
  const { number, title, isDone, predicted, isRight, text } = phase;
  return (
    <li className="iteration" data-testid="phase-card" data-number={number} data-done={isDone}>
      <header>
        <h3>
          {number}. {title}
        </h3>
        <span className="iteration-score" data-perfect={isRight === true}>
          {scoreWords(phase, ended)}
        </span>
      </header>
      {predicted !== null && (
        <div className="result-grids">
          <figure>
            <figcaption>Predicted</figcaption>
            <GridView grid={predicted} label={`${title}, predicted`} side={GRID_PX} against={truth} />
          </figure>
          {truth !== null && (
            <figure>
              <figcaption>Truth</figcaption>
              <GridView grid={truth} label={`${title}, truth`} side={GRID_PX} />
            </figure>
          )}
        </div>
      )}
      {text !== "" && (
        <details className="program">
          <summary>
            <Icon name="chevron" />
            <strong>What the model said</strong>
          </summary>
          <div className="phase-text">
            <PlainText text={text} growing={false} />
          </div>
        </details>
      )}
    </li>
  );
});
