import type { Snapshot } from "@headwater/client";
import { useState } from "react";
import { useStickToEnd } from "../browser/stickToEnd.ts";
import { ModelWords } from "./ModelWords.tsx";

type Side = "reasoning" | "answer";

const NAMES: Readonly<Record<Side, string>> = { reasoning: "Reasoning", answer: "Raw answer" };
const NOTHING: Readonly<Record<Side, string>> = { reasoning: "It showed none.", answer: "It said nothing." };

interface ThoughtsProps {
  readonly snapshot: Snapshot;
  readonly growing: boolean;
}

/** What the model thinks, beside what it says; on the other side its answer exactly as it came. */
export function Thoughts({ snapshot, growing }: ThoughtsProps) {
  const [chosen, choose] = useState<Side | null>(null);
  const { scroller, content, stuck } = useStickToEnd();
  const { reasoning, text } = snapshot;
  const side = chosen ?? (reasoning === "" && text !== "" ? "answer" : "reasoning");
  const shown = side === "reasoning" ? reasoning : text;
  const thinking = growing && (side === "answer" || text === "");
  return (
    <section className="thoughts" aria-label={NAMES[side]} data-testid="thoughts" data-side={side}>
      <div className="thoughts-sides" role="group" aria-label="Which words">
        {(["reasoning", "answer"] as const).map((each) => (
          <button
            key={each}
            type="button"
            className="chip"
            data-testid={`side-${each}`}
            aria-pressed={each === side}
            onClick={() => choose(each)}
          >
            {NAMES[each]}
          </button>
        ))}
      </div>
      <div
        className="thoughts-text"
        ref={scroller}
        data-stuck={stuck}
        tabIndex={0}
        role="group"
        aria-label={`${NAMES[side]} of the model`}
      >
        <div ref={content} data-testid="thoughts-text">
          {shown === "" ? (
            <p className="hint">{growing ? "Nothing yet." : NOTHING[side]}</p>
          ) : (
            <ModelWords key={side} text={shown} growing={thinking} />
          )}
        </div>
      </div>
    </section>
  );
}
