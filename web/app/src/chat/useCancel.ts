import { useCallback, useEffect, useState } from "react";
import { reasonOf } from "./useAsk.ts";
import type { Stopping } from "./useStop.ts";

/** Stops a run that arrives. What has come is kept, and the end comes as a record like any other. */
export function useCancel(live: { readonly cancel: () => Promise<void> } | null, busy: boolean): Stopping {
  const [under, setUnder] = useState(false);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    setUnder(false);
    setError(null);
  }, [live, busy]);
  const stop = useCallback((): void => {
    if (live === null) return;
    setUnder(true);
    setError(null);
    live.cancel().catch((failure: unknown) => {
      setUnder(false);
      setError(`It could not be stopped: ${reasonOf(failure)}`);
    });
  }, [live]);
  return { stop, under, error };
}
