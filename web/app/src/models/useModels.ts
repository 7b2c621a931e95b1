import type { ModelHealth, ModelResource } from "@headwater/client";
import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useServer } from "../server.ts";
import { healthByModel } from "./catalog.ts";

const HEALTH_MS = 15_000;
const NOTHING: ReadonlyMap<string, ModelHealth> = new Map();

/** What can be called. The same query as that of the chat's choice of a model. */
export function useModels(): UseQueryResult<ModelResource[]> {
  const { client } = useServer();
  return useQuery({ queryKey: ["models"], queryFn: () => client.models(), staleTime: 60_000 });
}

/** How the models have been lately; where that can not be had, nothing is known of any. */
export function useHealth(): ReadonlyMap<string, ModelHealth> {
  const { client } = useServer();
  const { data } = useQuery({
    queryKey: ["providers"],
    queryFn: async () => healthByModel(await client.providers()),
    refetchInterval: HEALTH_MS,
  });
  return data ?? NOTHING;
}
