import { Icon } from "../shell/Icon.tsx";
import { ModelSelect, useModel } from "./ModelSelect.tsx";
import { QuestionForm } from "./QuestionForm.tsx";
import type { Asking } from "./useAsk.ts";
import type { Stopping } from "./useStop.ts";

const LINES_MAX = 12;

function StopButton({ stopping }: { stopping: Stopping }) {
  const { stop, under } = stopping;
  return (
    <button type="button" className="send stop" data-testid="stop" disabled={under} onClick={stop}>
      <Icon name="stop" />
      {under ? "Stopping" : "Stop"}
    </button>
  );
}

interface ComposerProps {
  /** An answer is on its way: it can be stopped, and nothing new can be sent. */
  readonly busy: boolean;
  readonly ask: Asking;
  readonly stopping: Stopping;
}

/** Where questions are written. */
export function Composer({ busy, ask, stopping }: ComposerProps) {
  const { model, models, choose } = useModel();
  const foot = (ready: boolean) => (
    <>
      <ModelSelect model={model} models={models} choose={choose} />
      {busy ? (
        <StopButton stopping={stopping} />
      ) : (
        <button type="submit" className="send" data-testid="send" disabled={!ready}>
          <Icon name="send" />
          Send
        </button>
      )}
    </>
  );
  return (
    <QuestionForm
      label="Message"
      placeholder="Ask something"
      linesMax={LINES_MAX}
      begins
      open={!busy}
      send={(text) => ask.ask(model, text)}
      foot={foot}
    />
  );
}
