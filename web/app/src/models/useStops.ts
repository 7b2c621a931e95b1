import { useMemo, useState } from "react";
import { useServer } from "../server.ts";

/** Asks the server to stop runs. What has come is kept, and the end comes as a record like any other. */
export interface Stops {
  readonly stop: (runs: readonly string[]) => void;
  /** Asked for and not yet come about. */
  readonly under: (run: string) => boolean;
  /** Why it could not be asked for. */
  readonly error: (run: string) => string | null;
}

/** Of each run why it could not be stopped, or null while that is under way. */
type Asked = ReadonlyMap<string, string | null>;

const words = (failure: unknown): string => (failure instanceof Error ? failure.message : String(failure));

export function useStops(): Stops {
  const { client } = useServer();
  const [asked, setAsked] = useState<Asked>(new Map());
  return useMemo(() => {
    const set = (run: string, told: string | null): void => setAsked((before) => new Map(before).set(run, told));
    const stop = (run: string): void => {
      set(run, null);
      client.cancel(run).catch((failure: unknown) => set(run, `It could not be stopped: ${words(failure)}`));
    };
    return {
      stop: (runs) => runs.forEach(stop),
      under: (run) => asked.get(run) === null,
      error: (run) => asked.get(run) ?? null,
    };
  }, [asked, client]);
}
