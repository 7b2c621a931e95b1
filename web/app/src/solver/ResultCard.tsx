import { memo } from "react";
import type { Pair } from "../arc/puzzles.ts";
import { GridView } from "../arc/GridView.tsx";
import { Icon } from "../shell/Icon.tsx";
import { percent } from "./iteration.ts";
import type { SolveResult, TestOutcome } from "./result.ts";

const GRID_PX = 168;

interface TestProps {
  readonly number: number;
  readonly test: TestOutcome;
  readonly input: Pair["input"] | undefined;
}

/** A test: what went in, what the program made of it, and what is right. */
function Test({ number, test: { output, truth, isRight, share, error }, input }: TestProps) {
  const name = `Test ${number}`;
  return (
    <section className="result-test" aria-label={name} data-testid="result-test" data-right={isRight}>
      <h3>
        <Icon name={isRight ? "check" : "close"} />
        {name} · {isRight ? "right" : output === null ? "no grid" : `${percent(share)} of cells`}
      </h3>
      <div className="result-grids">
        {input !== undefined && (
          <figure>
            <figcaption>Input</figcaption>
            <GridView grid={input} label={`${name}, input`} side={GRID_PX} />
          </figure>
        )}
        <div className="result-compared">
          <figure>
            <figcaption>Predicted</figcaption>
            {output === null ? (
              <p className="hint">{error ?? "The program made no grid of it."}</p>
            ) : (
              <GridView grid={output} label={`${name}, predicted`} side={GRID_PX} against={truth} />
            )}
          </figure>
          {truth !== null && (
            <figure>
              <figcaption>Truth</figcaption>
              <GridView grid={truth} label={`${name}, truth`} side={GRID_PX} />
            </figure>
          )}
        </div>
      </div>
    </section>
  );
}

interface ResultCardProps {
  readonly result: SolveResult;
  /** The puzzle's tests, as far as they are known. */
  readonly tests: readonly Pair[];
}

/** What the best program made of the tests. */
export const ResultCard = memo(function ResultCard({ result, tests }: ResultCardProps) {
  const { isSolved, title, words, isSimulated } = result;
  return (
    <section className="result-card" data-testid="result" data-solved={isSolved} aria-label="Result">
      <header>
        <Icon name={isSolved ? "check" : "close"} />
        <h2>{title}</h2>
      </header>
      <p className="hint">
        {words}
        {isSimulated && " The answers were a script’s, not a model’s."}
      </p>
      {result.tests.map((test, at) => (
        <Test key={at} number={at + 1} test={test} input={tests[at]?.input} />
      ))}
    </section>
  );
});
