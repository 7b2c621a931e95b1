import { ModelSelect, type useModel } from "../chat/ModelSelect.tsx";
import { Icon } from "../shell/Icon.tsx";
import { numbers, streaming, typewriter } from "./preferences.ts";
import { Toggle } from "./Toggle.tsx";

interface DockProps {
  readonly choice: ReturnType<typeof useModel>;
  /** Begins an analysis of the puzzle that is shown; null as long as there is none. */
  readonly analyse: (() => void) | null;
  /** Stops what is on its way; null where nothing is. */
  readonly stop: (() => void) | null;
  /** The stop was asked for and has not come about. */
  readonly stopping: boolean;
  /** There was an analysis before: this would be another. */
  readonly again: boolean;
}

/** Where an analysis is begun and stopped. */
export function Dock({ choice, analyse, stop, stopping, again }: DockProps) {
  return (
    <div className="dock">
      <div className="composer examiner-bar">
        <div className="composer-foot">
          <ModelSelect {...choice} />
          {stop !== null ? (
            <button
              type="button"
              id="composer"
              className="send stop"
              data-testid="stop"
              disabled={stopping}
              onClick={stop}
            >
              <Icon name="stop" />
              {stopping ? "Stopping" : "Stop"}
            </button>
          ) : (
            <button
              type="button"
              id="composer"
              className="send"
              data-testid="analyse"
              disabled={analyse === null}
              onClick={() => analyse?.()}
            >
              <Icon name={again ? "retry" : "send"} />
              {again ? "Analyse again" : "Analyse"}
            </button>
          )}
        </div>
      </div>
      <div className="under">
        <p>
          <kbd>Esc</kbd> stops · <kbd>/</kbd> to begin
        </p>
        <span className="toggles">
          <Toggle of={streaming} id="streaming" name="Streaming" title="Show the answer while the model writes it" />
          <Toggle of={typewriter} id="typewriter" name="Typewriter" title="Write its words at a reader’s pace" />
          <Toggle of={numbers} id="numbers" name="Numbers" title="Show each colour’s number in its cell" />
        </span>
      </div>
    </div>
  );
}
