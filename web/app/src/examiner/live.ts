/** Analyses that are on their way at the server, whoever waits for them. */

import type { Headwater } from "@headwater/client";
import { taskOf } from "./address.ts";

const LIVE_MAX = 20;

/** The newest analysis of a puzzle that goes on, by this model if one is named. Throws `ClientError`. */
export async function findLive(
  client: Headwater,
  task: string,
  model: string | null,
  signal: AbortSignal,
): Promise<string | null> {
  const named = model === null ? {} : { model };
  const { runs } = await client.list({
    workflow: "analysis",
    state: "queued,running",
    limit: LIVE_MAX,
    signal,
    ...named,
  });
  // A list does not say what a run was asked.
  const asked = await Promise.all(runs.map(({ id }) => client.get(id, { signal })));
  return asked.find((run) => taskOf(run.request.input) === task)?.id ?? null;
}
