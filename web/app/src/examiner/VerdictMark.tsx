import { Icon } from "../shell/Icon.tsx";
import type { Verdict } from "./analyses.ts";

const ICONS = { right: "check", wrong: "close", unjudged: "partial" } as const;

/** A verdict by its form, its words and its colour. */
export function VerdictMark({ verdict, words }: { verdict: Verdict; words: string }) {
  return (
    <span className="verdict" data-testid="verdict" data-verdict={verdict}>
      <Icon name={ICONS[verdict]} />
      {words}
    </span>
  );
}
