import { costWords } from "../chat/FiguresLine.tsx";
import { type Analysis, percentWords, verdictName, verdictOf } from "./analyses.ts";
import { VerdictMark } from "./VerdictMark.tsx";

interface ResultCardProps {
  /** Null until the analysis has ended and was judged. */
  readonly analysis: Analysis | null;
  /** What the model has said of it so far, 0 to 100. */
  readonly confidence: number | null;
  /** How many tests the puzzle has. */
  readonly tests: number;
}

interface Figure {
  readonly name: string;
  readonly value: string | null;
  readonly title: string;
}

function figuresOf({ analysis, confidence, tests }: ResultCardProps): readonly Figure[] {
  const result = analysis?.result ?? null;
  const said = result === null ? confidence : result.confidence;
  const sure = said === null ? null : `${said} %`;
  const trust = result?.trustworthiness ?? null;
  const cost = analysis?.usage?.cost_usd ?? null;
  return [
    {
      name: "Tests right",
      value: result === null ? null : `${result.correct_tests} of ${tests}`,
      title: "Of the same size, and every cell the same",
    },
    {
      name: "Confidence",
      value: result?.confidence_given === false ? "not said" : sure,
      title: "How sure the model says it is; where it does not say, it is taken for 50 %",
    },
    {
      name: "Trustworthiness",
      value: result === null ? null : trust === null ? "not judged" : percentWords(trust),
      title: "How well the confidence fits what came of it: one minus the Brier score",
    },
    {
      name: "Cost",
      value: analysis === null ? null : cost === null ? "unknown" : costWords(cost),
      title: "As the provider says, or its price",
    },
  ];
}

/** What comes of an analysis, in figures. They have their places from the beginning. */
export function ResultCard(props: ResultCardProps) {
  const { analysis } = props;
  const notes = analysis?.result?.notes ?? [];
  const verdict = analysis === null ? "unjudged" : verdictOf(analysis);
  return (
    <section className="result" aria-label="Result" data-testid="result" data-judged={analysis !== null}>
      <VerdictMark verdict={verdict} words={analysis === null ? "Not judged yet" : verdictName(analysis)} />
      <dl>
        {figuresOf(props).map(({ name, value, title }) => (
          <div key={name} title={title}>
            <dt>{name}</dt>
            <dd data-known={value !== null}>{value ?? "…"}</dd>
          </div>
        ))}
      </dl>
      {notes.length > 0 && (
        <ul className="notes" aria-label="How the answer was read">
          {notes.map((note, at) => (
            <li key={at}>{note}</li>
          ))}
        </ul>
      )}
    </section>
  );
}
