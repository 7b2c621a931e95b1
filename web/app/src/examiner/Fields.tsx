import type { PartialAnswer } from "./answer.ts";
import { ModelWords } from "./ModelWords.tsx";

interface FieldsProps {
  readonly answer: PartialAnswer;
  readonly growing: boolean;
}

const WAITED = { pattern: "The rule", strategy: "The strategy", hints: "Hints" } as const;

/** What the model says of the rule, as it comes: each field where it will stay. */
export function Fields({ answer, growing }: FieldsProps) {
  const { pattern, strategy, hints } = answer;
  const empty = { pattern: pattern === "", strategy: strategy === "", hints: hints.length === 0 };
  // The one that is being written: the next one has not begun. They come in this order.
  const last = !empty.hints ? "hints" : !empty.strategy ? "strategy" : "pattern";
  const kinds = (["pattern", "strategy", "hints"] as const).filter((kind) => growing || !empty[kind]);
  return (
    <dl className="fields" data-testid="fields">
      {kinds.map((kind) => (
        <div key={kind} data-testid={`field-${kind}`} data-empty={empty[kind]}>
          <dt>{WAITED[kind]}</dt>
          <dd>
            {kind === "hints" ? (
              <ul>
                {hints.map((hint, at) => (
                  <li key={at}>{hint}</li>
                ))}
              </ul>
            ) : (
              <ModelWords text={answer[kind]} growing={growing && kind === last && !empty[kind]} />
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}
