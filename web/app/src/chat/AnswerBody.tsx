import type { Snapshot } from "@headwater/client";
import { usePreference } from "../browser/preference.ts";
import { ReasoningPanel } from "./ReasoningPanel.tsx";
import { hasOutput, isEnd, type StatusKind } from "./status.ts";
import { TextView } from "./TextView.tsx";
import { ToolCalls } from "./ToolCalls.tsx";
import { view } from "./view.ts";
import { Words } from "./Words.tsx";

interface AnswerBodyProps {
  readonly snapshot: Snapshot | undefined;
  readonly state: StatusKind;
  /** What is said beneath an answer that did not come to its end. */
  readonly explanation: string | null;
  /** What a test knows the text by. */
  readonly id: string;
}

/** What a model has put out: its thoughts, the text, a refusal, the tools that it asks for. */
export function AnswerBody({ snapshot, state, explanation, id }: AnswerBodyProps) {
  const [shown] = usePreference(view);
  const ended = isEnd(state);
  const hasText = snapshot !== undefined && snapshot.text !== "";
  const output = snapshot !== undefined && hasOutput(snapshot);
  return (
    <>
      {snapshot !== undefined && snapshot.reasoning !== "" && (
        <ReasoningPanel text={snapshot.reasoning} answering={hasText || ended} />
      )}
      <div
        data-testid={id}
        data-view={shown}
        aria-busy={!ended}
        data-waiting={!ended && !output}
        className="answer-text"
        hidden={ended && !hasText}
      >
        {snapshot !== undefined && <TextView text={snapshot.text} growing={!ended} />}
      </div>
      {snapshot !== undefined && snapshot.refusal !== "" && (
        <section className="refusal" data-testid="refusal" aria-label="Refusal">
          <h2>The model declined</h2>
          <p>{snapshot.refusal}</p>
        </section>
      )}
      {snapshot !== undefined && <ToolCalls calls={snapshot.tool_calls} />}
      {explanation !== null && (
        <p className="explanation" data-state={state}>
          <Words text={explanation} />
        </p>
      )}
    </>
  );
}
