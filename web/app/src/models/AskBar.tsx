import { QuestionForm } from "../chat/QuestionForm.tsx";
import { Icon } from "../shell/Icon.tsx";

const LINES_MAX = 6;

interface AskBarProps {
  readonly picked: readonly string[];
  readonly drop: (model: string) => void;
  readonly ask: (question: string) => void;
  /** A question is on its way to the server. */
  readonly asking: boolean;
  /** Stops every answer that is on its way; null where none is. */
  readonly stopAll: (() => void) | null;
}

/** Where one question is written to all the models that were picked. */
export function AskBar({ picked, drop, ask, asking, stopAll }: AskBarProps) {
  const foot = (ready: boolean) => (
    <>
      <ul className="picked" aria-label="Picked models">
        {picked.map((model) => (
          <li key={model}>
            <button type="button" className="chip" aria-label={`Do not ask ${model}`} onClick={() => drop(model)}>
              <span title={model}>{model}</span>
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
      {stopAll !== null ? (
        <StopAll stop={stopAll} />
      ) : (
        <button type="submit" className="send" data-testid="send" disabled={!ready}>
          <Icon name="send" />
          {asking ? "Asking" : picked.length > 1 ? `Ask all ${picked.length}` : "Ask"}
        </button>
      )}
    </>
  );
  return (
    <QuestionForm
      label="Question to all that are picked"
      placeholder={picked.length === 0 ? "Pick models, then ask them something" : "Ask them all something"}
      linesMax={LINES_MAX}
      open={!asking && picked.length > 0}
      send={ask}
      foot={foot}
    />
  );
}

export function StopAll({ stop }: { stop: () => void }) {
  return (
    <button type="button" className="send stop" data-testid="stop-all" onClick={stop}>
      <Icon name="stop" />
      Stop all
    </button>
  );
}
