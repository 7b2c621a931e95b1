/** What a run of the workflow `conversation` ends with, read with care: an older server's may lack some of it. */

import type { Context } from "./sessions.ts";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function isContext(value: unknown): value is Context {
  if (!isObject(value)) return false;
  const { intent = null, entities = {} } = value;
  return (intent === null || typeof intent === "string") && isObject(entities);
}

/** What could be said next. */
export function suggestionsOf(result: unknown): string[] {
  const told = isObject(result) ? result.suggestions : null;
  return Array.isArray(told) ? told.filter((each): each is string => typeof each === "string" && each !== "") : [];
}

/** What a run of it was asked. */
export function messageOf(input: unknown): string | null {
  return isObject(input) && typeof input.message === "string" ? input.message : null;
}
