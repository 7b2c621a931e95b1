import { newIdempotencyKey, type RunRequest, type RunResource, ServerError } from "@headwater/client";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useRef, useState } from "react";
import { useServer } from "../server.ts";
import { nextRequest } from "./conversation.ts";

/** A question on its way to the server. `start` has one key for all tries: however often, one run comes of it. */
export interface Asked {
  readonly request: RunRequest;
  readonly start: () => Promise<RunResource>;
}

export interface Asking {
  readonly asked: Asked | null;
  /** Why the question did not become a run. */
  readonly error: string | null;
  readonly ask: (model: string, text: string, settings?: RunRequest["settings"]) => void;
  /** Asks the question that failed again. */
  readonly again: () => void;
  /** Gives the question up. A run that should come of it all the same is stopped. */
  readonly abandon: () => void;
  /** Makes a new run with the input of an old one. */
  readonly retry: (run: string) => void;
}

const UNREACHABLE = "The server can not be reached. The question is still here, and can be sent again.";

/** Why a question did not become a run, in a reader's words. The server's own words are fit to show. */
export function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  const told = [error, cause].find((each) => each instanceof ServerError);
  return told instanceof ServerError ? told.message : UNREACHABLE;
}

/** Starts runs, and moves the page to each that was started. `last` is the run that a question goes on from. */
export function useAsk(last: RunResource | null): Asking {
  const { client, runs } = useServer();
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [error, setError] = useState<string | null>(null);
  const current = useRef<Asked | null>(null);

  const begin = useCallback(
    (next: Asked): void => {
      current.current = next;
      setAsked(next);
      setError(null);
      next.start().then(
        (run) => {
          if (current.current !== next) return void client.cancel(run.id).catch(() => {});
          runs.adopt(run);
          current.current = null;
          void navigate({ to: "/c/$run", params: { run: run.id } }).then(() => setAsked(null));
        },
        (failure: unknown) => {
          if (current.current === next) setError(reasonOf(failure));
        },
      );
    },
    [client, navigate, runs],
  );
  return {
    asked,
    error,
    ask: (model, text, settings) => {
      const next = nextRequest(model, text, last);
      const request = settings === undefined ? next : { ...next, settings };
      const idempotencyKey = newIdempotencyKey();
      begin({ request, start: () => client.start(request, { idempotencyKey }) });
    },
    again: () => {
      if (asked !== null) begin(asked);
    },
    abandon: () => {
      current.current = null;
      setAsked(null);
    },
    retry: (run) => {
      const idempotencyKey = newIdempotencyKey();
      begin({ request: last?.request ?? { model: "" }, start: () => client.retry(run, { idempotencyKey }) });
    },
  };
}
