import { NotFound } from "@headwater/client";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useServer } from "../server.ts";
import { readAnalyses, readAnalysis } from "./analyses.ts";

const TRIES_MAX = 5;

/** What is kept of an analysis; asked for once its run has ended. */
export function useStoredAnalysis(run: string | null, ended: boolean) {
  const { client } = useServer();
  return useQuery({
    queryKey: ["analysis", run],
    queryFn: ({ signal }) => readAnalysis(client, run ?? "", signal),
    enabled: run !== null && ended,
    staleTime: Number.POSITIVE_INFINITY,
    retry: (failures, error) => failures < TRIES_MAX && !(error instanceof NotFound),
  });
}

/** The analyses of a puzzle that have ended. `seen` is what makes them change: the run that is shown, and its end. */
export function usePastAnalyses(task: string | null, seen: string) {
  const { client } = useServer();
  return useInfiniteQuery({
    queryKey: ["analyses", task, seen],
    queryFn: ({ pageParam, signal }) => readAnalyses(client, task ?? "", pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: (before, query) => (query?.queryKey[1] === task ? before : undefined),
    enabled: task !== null,
  });
}
