import { useCallback, useEffect, useState } from "react";
import type { LiveRun } from "./liveRun.ts";
import type { Asking } from "./useAsk.ts";

export interface Stopping {
  readonly stop: () => void;
  /** Asked for and not yet come about. */
  readonly under: boolean;
  /** Why it could not be asked for. */
  readonly error: string | null;
}

/** Stops what is on its way: the question that is being asked, or the answer that arrives. */
export function useStop(live: LiveRun | null, ask: Asking, busy: boolean): Stopping {
  const [under, setUnder] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const { asked, abandon } = ask;
  useEffect(() => {
    setUnder(false);
    setError(null);
  }, [live, busy]);
  const stop = useCallback((): void => {
    if (asked !== null) return abandon();
    if (live === null) return;
    setUnder(true);
    setError(null);
    live.cancel().catch((failure: unknown) => {
      setUnder(false);
      setError(`It could not be stopped: ${failure instanceof Error ? failure.message : String(failure)}`);
    });
  }, [asked, abandon, live]);
  return { stop, under, error };
}
