import { newIdempotencyKey, ServerError } from "@headwater/client";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useRef, useState } from "react";
import { reasonOf } from "../chat/useAsk.ts";
import { useServer } from "../server.ts";
import { begin, type Question } from "./sessions.ts";

/** A question that has not become a run that this page knows. */
interface Asked {
  readonly question: Question;
  readonly streaming: boolean;
}

export interface Dialogue {
  readonly asked: Asked | null;
  /** Why it did not. */
  readonly error: string | null;
  readonly ask: (message: string, model: string | null, streaming: boolean) => void;
  /** Asks what failed again; of any number of tries one run comes. */
  readonly again: () => void;
  /** Gives the question up, and stops the run that may have come of it. */
  readonly abandon: () => void;
  /** Waits for it no longer; what comes of it goes on, and is in the list of conversations. */
  readonly leave: () => void;
}

/** Why a question was refused: a conversation's own words, which are no problem+json, or what went wrong before it. */
function wordsOf(failure: unknown): string {
  const told = failure instanceof ServerError ? failure.problem.message : null;
  return typeof told === "string" ? told : reasonOf(failure);
}

/** Asks, and moves the page to the session and the run that come of it. */
export function useDialogue(session: string | null): Dialogue {
  const { client } = useServer();
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [error, setError] = useState<string | null>(null);
  const under = useRef<AbortController | null>(null);
  const leave = useCallback((): void => {
    under.current?.abort();
    setAsked(null);
    setError(null);
  }, []);
  // Who leaves the session leaves the waiting too; the run goes on, and the session tells of it.
  useEffect(() => leave, [leave, session]);

  const send = useCallback(
    (next: Asked): void => {
      const controller = new AbortController();
      under.current = controller;
      setAsked(next);
      setError(null);
      begin(client, next.question, next.streaming, controller.signal).then(
        (begun) => {
          if (controller.signal.aborted) return;
          void navigate({ to: "/assistant", search: { ...begun } }).then(() => setAsked(null));
        },
        (failure: unknown) => {
          if (!controller.signal.aborted) setError(wordsOf(failure));
        },
      );
    },
    [client, navigate],
  );
  const abandon = useCallback((): void => {
    under.current?.abort();
    setAsked(null);
    if (asked === null || error !== null) return;
    // The same key tells which run it was, without waiting for the whole answer.
    begin(client, asked.question, true, new AbortController().signal)
      .then(async (begun) => {
        await client.cancel(begun.run);
        await navigate({ to: "/assistant", search: { ...begun } });
      })
      // What can not be stopped now is in the list of conversations, and can be stopped there.
      .catch(() => {});
  }, [client, navigate, asked, error]);
  return {
    asked,
    error,
    ask: (message, model, streaming) =>
      send({ question: { message, session, model, idempotencyKey: newIdempotencyKey() }, streaming }),
    again: () => {
      if (asked !== null) send(asked);
    },
    abandon,
    leave,
  };
}
