/** One question to several models: what each run is asked, and how they are known to belong together. */

import { newIdempotencyKey, type RunRequest } from "@headwater/client";
import { titleOf } from "../chat/conversation.ts";

/** The most answers that are read side by side. */
export const MODELS_MAX = 6;

/** A model and how it is asked. A label tells apart what has one name. */
export interface Candidate {
  readonly model: string;
  readonly label?: string;
  readonly settings?: RunRequest["settings"];
}

/**
 * The runs of one comparison, in the order of the candidates. Each says its place: they are asked for side by side,
 * and the server may have begun them in another order.
 */
export function requestsOf(question: string, candidates: readonly Candidate[]): RunRequest[] {
  const comparison = newIdempotencyKey();
  return candidates.map(({ model, label, settings }, place) => ({
    model,
    messages: [{ role: "user", content: question }],
    metadata: {
      comparison,
      place: String(place),
      title: titleOf(question),
      ...(label === undefined ? {} : { label }),
    },
    ...(settings === undefined ? {} : { settings }),
  }));
}

const SIMULATED = "simulated";

/** What shows the page without a key: three ways that an answer can go. */
export const EXAMPLE: { readonly question: string; readonly candidates: readonly Candidate[] } = {
  question: "Why does a river meander?",
  candidates: [
    { model: SIMULATED, label: "at once", settings: { extra: { simulated: { words: 120, delay_ms: [15, 40] } } } },
    {
      model: SIMULATED,
      label: "thinks first",
      settings: { reasoning_effort: "low", extra: { simulated: { words: 90, delay_ms: [30, 60] } } },
    },
    {
      model: SIMULATED,
      label: "fails half-way",
      settings: { extra: { simulated: { words: 120, fail_after: 50, fail_code: "OVERLOADED", delay_ms: [40, 80] } } },
    },
  ],
};
