import { NotFound } from "@headwater/client";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useServer } from "../server.ts";
import { readAnalyses, readAnalysis } from "./analyses.ts";

const TRIES_MAX = 5;
const STORED_MS = 400;

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

/**
 * The analyses of a puzzle that have ended, newest first. The one that is shown, once it has `ended`, may be stored a
 * moment after its readers are told of its end: it is waited for.
 */
export function usePastAnalyses(task: string, run: string | null, ended: boolean) {
  const { client } = useServer();
  return useInfiniteQuery({
    queryKey: ["analyses", task, run, ended],
    queryFn: ({ pageParam, signal }) => readAnalyses(client, task, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: (before, query) => (query?.queryKey[1] === task ? before : undefined),
    refetchInterval: ({ state: { data, dataUpdateCount: times } }) => {
      if (!ended || run === null || times >= TRIES_MAX) return false;
      return data?.pages.some(({ analyses }) => analyses.some((each) => each.run === run)) ? false : STORED_MS;
    },
  });
}
