/** Which model an answer is of, where it is not the one that was asked: the run named others to fall back on. */

import type { ModelResource, RunResource, Snapshot } from "@headwater/client";
import { hasOutput } from "./status.ts";

/** Null where it is of the model that was asked, nothing has come, or the server does not have that model any more. */
export function answeredBy(run: RunResource, snapshot: Snapshot, models: readonly ModelResource[]): string | null {
  const call = snapshot.calls.findLast(({ role }) => role === "answer");
  const asked = models.find(({ name }) => name === run.model);
  if (call === undefined || asked === undefined || !hasOutput(snapshot)) return null;
  const made = ({ provider, model }: ModelResource): boolean => provider === call.provider && model === call.model;
  if (made(asked)) return null;
  const fallback = run.request.fallback ?? [];
  return models.find((each) => fallback.includes(each.name) && made(each))?.name ?? call.model;
}
