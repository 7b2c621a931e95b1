import { type KeyboardEvent, useState } from "react";
import { Icon } from "../shell/Icon.tsx";

const ROWS_MAX = 6;

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
  const [text, setText] = useState("");
  const ready = !asking && picked.length > 0 && text.trim() !== "";
  const send = (): void => {
    if (!ready) return;
    ask(text);
    setText("");
  };
  const pressed = (event: KeyboardEvent): void => {
    // Enter that ends the input of a character (an input method) is not meant for the page.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        id="composer"
        data-testid="composer"
        aria-label="Question to all that are picked"
        placeholder={picked.length === 0 ? "Pick models, then ask them something" : "Ask them all something"}
        rows={Math.min(ROWS_MAX, text.split("\n").length)}
        maxLength={1_000_000}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={pressed}
      />
      <div className="composer-foot">
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
        {stopAll !== null && (
          <button type="button" className="send stop" data-testid="stop-all" onClick={stopAll}>
            <Icon name="stop" />
            Stop all
          </button>
        )}
        {stopAll === null && (
          <button type="submit" className="send" data-testid="send" disabled={!ready}>
            <Icon name="send" />
            {asking ? "Asking" : picked.length > 1 ? `Ask all ${picked.length}` : "Ask"}
          </button>
        )}
      </div>
    </form>
  );
}
