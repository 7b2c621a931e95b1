/** What the assistant knows, as the page tells it. What a model made of it may have any form. */

import { isContext } from "./result.ts";
import type { Context } from "./sessions.ts";

/** A name in snake case as words: `find_restaurant` is "Find restaurant". */
export function wordsOfName(name: string): string {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Names and values; what is no text is shown as its JSON. */
export function entitiesOf(context: Context | null): [name: string, value: string][] {
  return Object.entries(context?.entities ?? {})
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
}

/** What a run's snapshot holds of it, where it does. */
export function contextOf(state: Readonly<Record<string, unknown>>): Context | null {
  return isContext(state.context) ? state.context : null;
}
