import { useId, useState } from "react";
import { Icon } from "../shell/Icon.tsx";
import { PlainText } from "./PlainText.tsx";

/** What the model thinks. It is open while that arrives and folds when the answer begins, unless the reader chose. */
export function ReasoningPanel({ text, answering }: { text: string; answering: boolean }) {
  const [chosen, setChosen] = useState<boolean | null>(null);
  const id = useId();
  const open = chosen ?? !answering;
  return (
    <section className="reasoning" data-testid="reasoning" data-open={open} aria-label="Reasoning">
      <button type="button" aria-expanded={open} aria-controls={id} onClick={() => setChosen(!open)}>
        <Icon name="chevron" />
        {answering ? "Reasoning" : "Thinking"}
      </button>
      <div className="fold" id={id} inert={!open}>
        <div>
          <PlainText text={text} growing={!answering} />
        </div>
      </div>
    </section>
  );
}
