import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { useServer } from "../server.ts";
import { RUNS_KEY } from "../shell/Conversations.tsx";
import type { LiveRun } from "./liveRun.ts";
import type { RunView } from "./runFold.ts";

const NOTHING = (): null => null;
const NEVER = () => () => {};

/** A run and what is shown of it, for as long as the page looks at it. */
export function useRun(id: string | null): [LiveRun | null, RunView | null] {
  const { runs } = useServer();
  const run = useMemo(() => (id === null ? null : runs.get(id)), [runs, id]);
  return [run, useSyncExternalStore(run?.subscribe ?? NEVER, run?.view ?? NOTHING)];
}

/** The list beside the page shows the state of this run, which has just changed. */
export function useListRefresh(ended: boolean, id: string | null): void {
  const queries = useQueryClient();
  useEffect(() => void queries.invalidateQueries({ queryKey: RUNS_KEY }), [queries, ended, id]);
}
