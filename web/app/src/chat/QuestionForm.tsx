import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";

const CHARS_MAX = 1_000_000;
// A keyboard on the screen would cover what was just opened.
const hasKeyboard = (): boolean => matchMedia("(hover: hover) and (pointer: fine)").matches;

interface QuestionFormProps {
  readonly label: string;
  readonly placeholder: string;
  /** Where the browser does not fit the box to its text (`field-sizing`), its lines do, up to so many. */
  readonly linesMax: number;
  /** The keyboard writes here at once, where there is one. */
  readonly begins?: boolean;
  /** Whether anything can be sent now. */
  readonly open: boolean;
  readonly send: (text: string) => void;
  /** What stands below the box. `ready` is whether what is written can be sent now. */
  readonly foot: (ready: boolean) => ReactNode;
}

/** A box to write a question in. Enter sends it, Shift Enter is a new line. */
export function QuestionForm({ label, placeholder, linesMax, begins, open, send, foot }: QuestionFormProps) {
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (begins && hasKeyboard()) box.current?.focus({ preventScroll: true });
  }, [begins]);
  const ready = open && text.trim() !== "";
  const submit = (): void => {
    if (!ready) return;
    send(text);
    setText("");
  };
  const pressed = (event: KeyboardEvent): void => {
    // Enter that ends the input of a character (an input method) is not meant for the page.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        ref={box}
        id="composer"
        data-testid="composer"
        aria-label={label}
        placeholder={placeholder}
        rows={Math.min(linesMax, text.split("\n").length)}
        maxLength={CHARS_MAX}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={pressed}
      />
      <div className="composer-foot">{foot(ready)}</div>
    </form>
  );
}
