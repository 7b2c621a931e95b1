import { usePreference } from "../browser/preference.ts";
import { QuestionForm } from "../chat/QuestionForm.tsx";
import { useModels } from "../models/useModels.ts";
import { Icon } from "../shell/Icon.tsx";
import { model, streaming } from "./preferences.ts";

const LINES_MAX = 8;

/** Who answers: the server's own choice, or one of its models that can be called. */
function ModelChoice() {
  const [chosen, choose] = usePreference(model);
  const models = useModels().data ?? [];
  const known = models.some(({ name, missing_key: key }) => name === chosen && key === null);
  return (
    <select
      className="model"
      aria-label="Model"
      data-testid="model"
      value={known ? chosen : ""}
      onChange={(event) => choose(event.target.value)}
    >
      <option value="">Server’s choice</option>
      {models.map(({ name, missing_key: key }) => (
        <option key={name} value={name} disabled={key !== null}>
          {key === null ? name : `${name} · no key`}
        </option>
      ))}
    </select>
  );
}

function StreamingSwitch() {
  const [on, set] = usePreference(streaming);
  return (
    <label className="streaming-switch" title="Show answers while they are made">
      <input
        type="checkbox"
        role="switch"
        data-testid="streaming"
        checked={on === "on"}
        onChange={(event) => set(event.target.checked ? "on" : "off")}
      />
      Streaming
    </label>
  );
}

interface AssistantComposerProps {
  /** An answer is on its way: it can be stopped, and nothing new can be said. */
  readonly busy: boolean;
  readonly ask: (message: string) => void;
  readonly stop: () => void;
  /** A stop was asked for and has not come about. */
  readonly stopping: boolean;
}

/** Where the person writes. */
export function AssistantComposer({ busy, ask, stop, stopping }: AssistantComposerProps) {
  const foot = (ready: boolean) => (
    <>
      <span className="composer-choices">
        <ModelChoice />
        <StreamingSwitch />
      </span>
      {busy ? (
        <button type="button" className="send stop" data-testid="stop" disabled={stopping} onClick={stop}>
          <Icon name="stop" />
          {stopping ? "Stopping" : "Stop"}
        </button>
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
      placeholder="Say what you look for"
      linesMax={LINES_MAX}
      begins
      open={!busy}
      send={ask}
      foot={foot}
    />
  );
}
