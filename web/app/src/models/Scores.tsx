import { memo } from "react";
import { costWords, timeWords } from "../chat/FiguresLine.tsx";
import type { Figures } from "../chat/figures.ts";

const COUNT = new Intl.NumberFormat("en");
const NOT_YET = "–";

function Score({ name, id, value, known }: { name: string; id: string; value: string | null; known: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-testid={id} data-known={value !== null}>
        {value ?? known}
      </dd>
    </div>
  );
}

/** The same figures under each answer, in the same places, so that they can be compared. */
export const Scores = memo(function Scores({ figures, ended }: { figures: Figures | null; ended: boolean }) {
  const { tokens = 0, estimated = false, firstTokenMs = null, tokensPerS = null, costUsd = null } = figures ?? {};
  const unknown = ended ? "unknown" : NOT_YET;
  const none = ended ? "none" : NOT_YET;
  return (
    <dl className="scores">
      <Score name="First token" id="ttft" value={firstTokenMs === null ? null : timeWords(firstTokenMs)} known={none} />
      <Score
        name="Tokens/s"
        id="rate"
        value={tokensPerS === null ? null : COUNT.format(Math.round(tokensPerS))}
        known={tokens > 0 ? unknown : none}
      />
      <Score
        name="Tokens"
        id="tokens"
        value={tokens === 0 ? null : `${estimated ? "≈ " : ""}${COUNT.format(tokens)}`}
        known={none}
      />
      <Score name="Cost" id="cost" value={costUsd === null ? null : costWords(costUsd)} known={unknown} />
    </dl>
  );
});
