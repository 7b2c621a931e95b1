/** What can be said of answers that stand side by side. */

import { textOf } from "../chat/conversation.ts";
import type { RunView } from "../chat/runFold.ts";
import { isEnd } from "../chat/status.ts";

/** Nothing more is read of it. */
export function isOver(view: RunView): boolean {
  return isEnd(view.status.kind) || view.missing || view.trouble !== null;
}

/** What was asked: of every run the same. */
export function questionOf(views: ReadonlyMap<string, RunView>): string | null {
  const run = [...views.values()].find((view) => view.run !== null)?.run;
  const asked = run?.request.messages?.findLast(({ role }) => role === "user");
  return asked === undefined ? null : textOf(asked);
}

/** How many answers are on their way, for who can not see them arrive. */
export function progressWords(views: ReadonlyMap<string, RunView>): string {
  const live = [...views.values()].filter((view) => !isOver(view)).length;
  if (live === 0) return views.size === 1 ? "The answer has ended" : `All ${views.size} answers have ended`;
  if (views.size === 1) return "The answer is on its way";
  return live === views.size ? `${live} answers are on their way` : `${live} of ${views.size} answers are on their way`;
}
