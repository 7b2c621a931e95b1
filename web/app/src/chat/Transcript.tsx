import { memo } from "react";
import type { Turn } from "./conversation.ts";
import { TextView } from "./TextView.tsx";

const NAMES: Readonly<Record<Turn["role"], string>> = {
  user: "You",
  assistant: "Answer",
  system: "Instructions",
  developer: "Instructions",
  tool: "Tool",
};

const TurnView = memo(
  function TurnView({ turn }: { turn: Turn }) {
    const { role, text } = turn;
    return (
      <article className={`turn ${role}`} data-testid={`turn-${role}`} aria-label={NAMES[role]}>
        {role !== "user" && role !== "assistant" && <h2>{NAMES[role]}</h2>}
        {role === "assistant" ? <TextView text={text} growing={false} /> : <div className="said">{text}</div>}
      </article>
    );
  },
  (before, after) => before.turn.role === after.turn.role && before.turn.text === after.turn.text,
);

/** What was said before the answer that is being looked at. */
export function Transcript({ turns }: { turns: readonly Turn[] }) {
  return turns.map((turn, index) => <TurnView key={index} turn={turn} />);
}
