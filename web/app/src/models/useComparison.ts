import { newIdempotencyKey, type RunRequest, type RunResource } from "@headwater/client";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { reasonOf } from "../chat/useAsk.ts";
import type { RunView } from "../chat/runFold.ts";
import { useServer } from "../server.ts";
import { type Candidate, requestsOf } from "./ask.ts";
import type { RunGroup } from "./runGroup.ts";

/** A question to a model that did not become a run. */
export interface Refusal {
  readonly model: string;
  readonly reason: string;
}

export interface Comparison {
  /** The runs of the page's address, in its order; without any those that are still under way. */
  readonly group: RunGroup | null;
  readonly views: ReadonlyMap<string, RunView>;
  /** A question is on its way to the server. */
  readonly asking: boolean;
  readonly refusals: readonly Refusal[];
  readonly ask: (question: string, candidates: readonly Candidate[]) => void;
  /** Makes a new run with the input of one, in its place. */
  readonly retry: (run: string) => void;
}

const NOTHING: ReadonlyMap<string, RunView> = new Map();
const NEVER = () => () => {};

/** Starts comparisons, and moves the page to each. `ids` are those of the runs that the page is about. */
export function useComparison(ids: readonly string[]): Comparison {
  const { client, groups } = useServer();
  const navigate = useNavigate();
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);
  const [asking, setAsking] = useState(false);
  const [refusals, setRefusals] = useState<readonly Refusal[]>([]);
  const group = ids.length === 0 ? groups.underWay() : groups.get(ids);
  const views = useSyncExternalStore(group?.subscribe ?? NEVER, group?.views ?? (() => NOTHING));

  const show = useCallback(
    (runs: readonly string[], replace = false): void => {
      // Whoever has left the page finds the answers among the conversations.
      if (here.current) void navigate({ to: "/models", search: { runs: runs.join(",") }, replace });
    },
    [navigate],
  );
  const ask = useCallback(
    async (requests: readonly RunRequest[]): Promise<void> => {
      setAsking(true);
      setRefusals([]);
      // Each has one key for all tries: however often it is asked, one run comes of it.
      const started = await Promise.allSettled(requests.map((request) => client.start(request)));
      const runs = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      setRefusals(
        started.flatMap((each, at) =>
          each.status === "rejected" ? [{ model: requests[at]?.model ?? "", reason: reasonOf(each.reason) }] : [],
        ),
      );
      setAsking(false);
      if (runs.length > 0) show(groups.adopt(runs).ids);
    },
    [client, groups, show],
  );
  const retry = useCallback(
    (old: string): void => {
      if (group === null) return;
      const replace = (run: RunResource): void => show(groups.keep(group.replaced(old, run)).ids, true);
      const refused = (failure: unknown): void => {
        const model = group.views().get(old)?.run?.model ?? "";
        setRefusals([{ model, reason: reasonOf(failure) }]);
      };
      client.retry(old, { idempotencyKey: newIdempotencyKey() }).then(replace, refused);
    },
    [client, group, groups, show],
  );
  return {
    group,
    views,
    asking,
    refusals,
    retry,
    ask: (question, candidates) => void ask(requestsOf(question, candidates)),
  };
}
