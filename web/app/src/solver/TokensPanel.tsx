import { memo } from "react";
import { useStickToEnd } from "../browser/stickToEnd.ts";
import { PlainText } from "../chat/PlainText.tsx";
import type { CallOutput } from "./solveFold.ts";

const AWAITED = "What the model writes is shown here.";
const NOTHING = "No model was heard.";

interface OutputProps {
  /** Counted from 1 in their order, which the run's own numbers do not follow. */
  readonly number: number;
  readonly output: CallOutput;
  readonly growing: boolean;
}

const Output = memo(
  function Output({ number, output: { reasoning, text }, growing }: OutputProps) {
    return (
      <article className="call-output" aria-label={`Call ${number}`} data-testid="call-output">
        <h3>Call {number}</h3>
        {reasoning !== "" && (
          <div className="call-reasoning">
            <PlainText text={reasoning} growing={growing && text === ""} />
          </div>
        )}
        {text !== "" && <PlainText text={text} growing={growing} />}
      </article>
    );
  },
  ({ number: place, output: one, growing: before }, { number, output: other, growing }) =>
    place === number && one.text === other.text && one.reasoning === other.reasoning && before === growing,
);

interface TokensPanelProps {
  readonly calls: readonly CallOutput[];
  readonly ended: boolean;
}

/** What the model writes, token by token, each of its calls under the other. */
export function TokensPanel({ calls, ended }: TokensPanelProps) {
  const { scroller, content, stuck } = useStickToEnd();
  return (
    <section className="panel" aria-labelledby="tokens-title" data-testid="tokens-panel">
      <header>
        <h2 id="tokens-title">Model</h2>
        <span className="hint">{ended ? "" : "event stream"}</span>
      </header>
      <div
        className="panel-body"
        ref={scroller}
        data-stuck={stuck}
        tabIndex={0}
        role="group"
        aria-labelledby="tokens-title"
      >
        <div ref={content} data-testid="model-words">
          {calls.length === 0 && <p className="hint">{ended ? NOTHING : AWAITED}</p>}
          {calls.map((output, at) => (
            <Output key={output.call} number={at + 1} output={output} growing={!ended && at === calls.length - 1} />
          ))}
        </div>
      </div>
    </section>
  );
}
