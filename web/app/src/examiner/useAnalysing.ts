import { ServerError } from "@headwater/client";
import { useCallback, useEffect, useRef, useState } from "react";
import { useServer } from "../server.ts";
import { findLive } from "./live.ts";
import { analyseWhole, type AnalysisRequest, NoStream, openStream, takesNoStream } from "./opening.ts";

/** `opening`: its stream is asked for. `whole`: it goes on without one, by choice or because there could be none. */
export type Opening =
  | { readonly kind: "none" }
  | { readonly kind: "opening"; readonly stopping: boolean }
  | { readonly kind: "whole"; readonly fellBack: boolean; readonly stopping: boolean }
  | { readonly kind: "failed"; readonly reason: string };

export interface Analysing {
  readonly opening: Opening;
  readonly begin: (request: AnalysisRequest, streamed: boolean) => void;
  /** Stops what is being begun. What there is of it by then is shown. */
  readonly stop: () => void;
  /** Looks away. What has begun goes on at the server. */
  readonly leave: () => void;
}

interface Begun {
  readonly request: AnalysisRequest;
  readonly here: AbortController;
  stopped: boolean;
}

const NONE: Opening = { kind: "none" };

/** Why it could not be begun. The server's own words are fit to show. */
function wordsOf(error: unknown): string {
  const told = error instanceof NoStream || error instanceof ServerError;
  return told ? error.message : "The server can not be reached.";
}

/** Begins analyses; `show` is told the run of each that began or, without a stream, has ended. */
export function useAnalysing(show: (run: string, request: AnalysisRequest) => void): Analysing {
  const { client } = useServer();
  const [opening, setOpening] = useState<Opening>(NONE);
  const current = useRef<Begun | null>(null);
  const leave = useCallback((): void => {
    current.current?.here.abort();
    current.current = null;
    setOpening(NONE);
  }, []);
  useEffect(() => () => current.current?.here.abort(), []);

  const begin = useCallback(
    (request: AnalysisRequest, streamed: boolean): void => {
      current.current?.here.abort();
      const begun: Begun = { request, here: new AbortController(), stopped: false };
      current.current = begun;
      setOpening({ kind: "opening", stopping: false });
      const fell = (fellBack: boolean): void => setOpening({ kind: "whole", fellBack, stopping: false });
      runOf(begun, streamed, fell).then(
        (run) => {
          if (begun.here.signal.aborted) return;
          // It was not known what to stop when that was asked for; where it has ended since, nothing is left to stop.
          if (begun.stopped) void client.cancel(run).catch(() => {});
          setOpening(NONE);
          show(run, request);
        },
        (error: unknown) => {
          if (!begun.here.signal.aborted) setOpening({ kind: "failed", reason: wordsOf(error) });
        },
      );
    },
    [client, show],
  );
  const stop = useCallback((): void => {
    const begun = current.current;
    if (begun === null) return;
    begun.stopped = true;
    setOpening((old) => (old.kind === "opening" || old.kind === "whole" ? { ...old, stopping: true } : old));
    const { request, here } = begun;
    // Without a stream nobody has said which run it is.
    const found = findLive(client, request.task, request.model, here.signal);
    void found.then((run) => (run === null ? null : client.cancel(run))).catch(() => {});
  }, [client]);
  return { opening, begin, stop, leave };
}

/** The run, once it is known; `fell` is told where it is made without a stream. */
async function runOf({ request, here }: Begun, streamed: boolean, fell: (back: boolean) => void): Promise<string> {
  const { signal } = here;
  if (streamed) {
    try {
      return await openStream(request, signal);
    } catch (error) {
      if (signal.aborted || !takesNoStream(error)) throw error;
    }
  }
  fell(streamed);
  return analyseWhole(request, signal);
}
