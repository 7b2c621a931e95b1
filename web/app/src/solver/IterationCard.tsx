import { memo, useState } from "react";
import type { Grid } from "../arc/grid.ts";
import { GridView } from "../arc/GridView.tsx";
import { CopyButton } from "../shell/CopyButton.tsx";
import { Icon } from "../shell/Icon.tsx";
import { bestShare, type Iteration, type PairOutcome, percent, type Program } from "./iteration.ts";

const OUTPUT_PX = 112;

interface OutcomeProps {
  readonly number: number;
  readonly outcome: PairOutcome;
  /** What it was to be; null where that is not known. */
  readonly truth: Grid | null;
}

function Outcome({ number, outcome: { isRight, share, output, error }, truth }: OutcomeProps) {
  const words = isRight ? "right" : error === null ? percent(share) : "no grid";
  return (
    <li className="outcome" data-right={isRight} data-testid="outcome">
      <span>
        <Icon name={isRight ? "check" : "close"} />
        Pair {number} · {words}
      </span>
      {error !== null && <p className="hint">{error}</p>}
      {output !== null && (
        <GridView grid={output} label={`What the program made of pair ${number}`} side={OUTPUT_PX} against={truth} />
      )}
    </li>
  );
}

interface ProgramProps {
  readonly number: number;
  readonly program: Program;
  readonly truths: readonly Grid[];
  readonly open: boolean;
}

/** A program, what it scored, and what it made of each training pair. */
function ProgramView({ number, program, truths, open }: ProgramProps) {
  const [chosen, choose] = useState<boolean | null>(null);
  const shown = chosen ?? open;
  const { code, outcomes, share, rightPairs, pairs, error } = program;
  const words = error ?? `${rightPairs} of ${pairs} pairs · ${percent(share)} of cells`;
  return (
    <details className="program" open={shown} data-testid="program">
      <summary
        onClick={(event) => {
          event.preventDefault();
          choose(!shown);
        }}
      >
        <Icon name="chevron" />
        <strong>Program {number}</strong> <span>{words}</span>
      </summary>
      {shown && (
        <div className="program-body">
          <div className="program-code">
            <CopyButton text={code} label={`Copy program ${number}`} />
            <pre tabIndex={0} aria-label={`Program ${number}`}>
              <code>{code}</code>
            </pre>
          </div>
          <ul className="outcomes">
            {outcomes.map((outcome, at) => (
              <Outcome key={at} number={at + 1} outcome={outcome} truth={truths[at] ?? null} />
            ))}
          </ul>
        </div>
      )}
    </details>
  );
}

interface IterationCardProps {
  readonly iteration: Iteration;
  /** The outputs of the training pairs. */
  readonly truths: readonly Grid[];
  /** Of the newest that was tried the best program is open. */
  readonly newest: boolean;
  /** The search has: what is not done will not be. */
  readonly ended: boolean;
}

function scoreWords(iteration: Iteration, ended: boolean): string {
  if (!iteration.isDone) return ended ? "Not finished" : "The model writes programs";
  const best = bestShare(iteration);
  if (best === null) return "No program came";
  return best === 1 ? "All pairs right" : `Best ${percent(best)} of cells`;
}

export const IterationCard = memo(function IterationCard({ iteration, truths, newest, ended }: IterationCardProps) {
  const { number, isDone, programs, notes } = iteration;
  return (
    <li className="iteration" data-testid="iteration" data-number={number} data-done={isDone}>
      <header>
        <h3>Iteration {number}</h3>
        <span className="iteration-score" data-perfect={bestShare(iteration) === 1}>
          {scoreWords(iteration, ended)}
        </span>
      </header>
      {programs.map((program, at) => (
        <ProgramView key={at} number={at + 1} program={program} truths={truths} open={newest && at === 0} />
      ))}
      {notes.map((note, at) => (
        <p key={at} className="hint">
          {note}
        </p>
      ))}
    </li>
  );
});
