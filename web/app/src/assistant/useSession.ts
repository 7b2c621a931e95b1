import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { reasonOf } from "../chat/useAsk.ts";
import { useServer } from "../server.ts";
import { readSession, readSessions, type Session, vote, type Vote } from "./sessions.ts";

export const SESSIONS_KEY = ["sessions"];
const keyOf = (id: string | null) => ["session", id];

/** A session with its turns; null for `id` asks for nothing. */
export function useSession(id: string | null) {
  const { client } = useServer();
  return useQuery({
    queryKey: keyOf(id),
    queryFn: ({ signal }) => readSession(client, id ?? "", signal),
    enabled: id !== null,
  });
}

/** The newest sessions. */
export function useSessions() {
  const { client } = useServer();
  return useQuery({ queryKey: SESSIONS_KEY, queryFn: ({ signal }) => readSessions(client, signal) });
}

export interface Votes {
  /** Why the last vote was not taken. */
  readonly error: string | null;
  readonly give: (run: string, given: Vote | "none") => void;
}

function voted(session: Session, run: string, given: Vote | "none"): Session {
  const turns = session.turns.map((turn) =>
    turn.run === run ? { ...turn, vote: given === "none" ? null : given } : turn,
  );
  return { ...session, turns };
}

/** Votes are shown at once, and taken back where the server did not take them. */
export function useVotes(id: string | null): Votes {
  const { client } = useServer();
  const queries = useQueryClient();
  const [error, setError] = useState<string | null>(null);
  const give = useCallback(
    (run: string, given: Vote | "none"): void => {
      setError(null);
      queries.setQueryData<Session>(keyOf(id), (session) => session && voted(session, run, given));
      vote(client, run, given).catch((failure: unknown) => {
        setError(`The vote was not taken: ${reasonOf(failure)}`);
        void queries.invalidateQueries({ queryKey: keyOf(id) });
      });
    },
    [client, queries, id],
  );
  return { error, give };
}

/** The session has changed at the server. */
export function useSessionRefresh(id: string | null): () => void {
  const queries = useQueryClient();
  return useCallback(() => {
    void queries.invalidateQueries({ queryKey: keyOf(id) });
    void queries.invalidateQueries({ queryKey: SESSIONS_KEY });
  }, [queries, id]);
}
