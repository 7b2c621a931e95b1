import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useServer } from "../server.ts";
import { type PuzzleFilter, readPuzzle, readPuzzles } from "./puzzles.ts";

// Puzzles are part of the server's package: they do not change while a page is open.
const NEVER_STALE = { staleTime: Number.POSITIVE_INFINITY };

/** Without `enabled` nothing is asked for: no id can have what the filter wants. */
export function usePuzzles(filter: PuzzleFilter, enabled = true) {
  const { client } = useServer();
  return useInfiniteQuery({
    queryKey: ["puzzles", filter.set, filter.query],
    queryFn: ({ pageParam, signal }) => readPuzzles(client, filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    enabled,
    ...NEVER_STALE,
  });
}

/** Null for `id` asks for nothing. */
export function usePuzzle(id: string | null) {
  const { client } = useServer();
  return useQuery({
    queryKey: ["puzzle", id],
    queryFn: ({ signal }) => readPuzzle(client, id ?? "", signal),
    enabled: id !== null,
    ...NEVER_STALE,
  });
}
