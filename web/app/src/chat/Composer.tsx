import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Icon } from "../shell/Icon.tsx";
import { ModelSelect, useModel } from "./ModelSelect.tsx";
import type { Asking } from "./useAsk.ts";
import type { Stopping } from "./useStop.ts";

// Where the browser does not fit the box to its text (`field-sizing`), its lines do.
const ROWS_MAX = 12;
// A keyboard on the screen would cover what was just opened.
const hasKeyboard = (): boolean => matchMedia("(hover: hover) and (pointer: fine)").matches;

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
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  const { model, models, choose } = useModel();
  useEffect(() => {
    if (hasKeyboard()) box.current?.focus({ preventScroll: true });
  }, []);
  const blank = text.trim() === "";
  const send = (): void => {
    if (busy || blank) return;
    ask.ask(model, text);
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
        ref={box}
        id="composer"
        data-testid="composer"
        aria-label="Message"
        placeholder="Ask something"
        rows={Math.min(ROWS_MAX, text.split("\n").length)}
        maxLength={1_000_000}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={pressed}
      />
      <div className="composer-foot">
        <ModelSelect model={model} models={models} choose={choose} />
        {busy ? (
          <StopButton stopping={stopping} />
        ) : (
          <button type="submit" className="send" data-testid="send" disabled={blank}>
            <Icon name="send" />
            Send
          </button>
        )}
      </div>
    </form>
  );
}
