import { newIdempotencyKey, type RunRequest, type RunResource } from "@headwater/client";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { isEnd } from "../chat/status.ts";
import { reasonOf } from "../chat/useAsk.ts";
import { useCancel } from "../chat/useCancel.ts";
import { useServer } from "../server.ts";
import { LiveSolve } from "./liveSolve.ts";
import type { SolveView } from "./solveFold.ts";

/** By programs that the model writes, or by looking at pictures. */
export type Method = "solver" | "visual_solver";
export const VISUAL: Method = "visual_solver";

export interface Search {
  readonly method: Method;
  readonly task: string;
  readonly model: string;
  /** Of programs; what looks has a phase for each pair. */
  readonly iterations: number;
}

export interface Solving {
  readonly view: SolveView | null;
  /** A search is being asked for. */
  readonly starting: boolean;
  /** A stop was asked for and has not come about. */
  readonly stopping: boolean;
  /** Why the last thing that was asked for did not come about. */
  readonly error: string | null;
  readonly start: (search: Search) => void;
  readonly stop: () => void;
  /** A new search with the input of this one. */
  readonly retry: () => void;
}

export const ITERATIONS = 5;

/** How many iterations a search was asked for. */
export function plannedOf(run: RunResource | null): number {
  const { iterations } = (run?.request.input ?? {}) as { iterations?: unknown };
  return typeof iterations === "number" ? iterations : ITERATIONS;
}

/** Which puzzle a search is for. */
export function taskOf(run: RunResource | null): string | null {
  const { task_id: task } = (run?.request.input ?? {}) as { task_id?: unknown };
  return typeof task === "string" ? task : null;
}

const NEVER = () => () => {};
const NOTHING = (): null => null;

function requestOf({ method, task, model, iterations }: Search): RunRequest {
  return {
    workflow: method,
    model,
    input: method === VISUAL ? { task_id: task } : { task_id: task, iterations },
    // A search is several answers of a model, and may be long.
    limits: { total_s: 3600 },
    metadata: { title: `Solve ${task}` },
  };
}

/** The search that the page's address names, and what can be done with it; one that is begun gets the address. */
export function useSolve(id: string | null): Solving {
  const { client } = useServer();
  const navigate = useNavigate();
  const live = useMemo(() => (id === null ? null : new LiveSolve(client, id)), [client, id]);
  const view = useSyncExternalStore(live?.subscribe ?? NEVER, live?.view ?? NOTHING);
  const [starting, setStarting] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const cancel = useCancel(live, view !== null && !isEnd(view.status.kind));
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);
  useEffect(() => setError(null), [id]);
  const begin = useCallback(
    (asked: Promise<RunResource>): void => {
      setStarting(true);
      setError(null);
      asked
        .then(
          (run) => {
            if (here.current) void navigate({ to: "/solver", search: { run: run.id } });
          },
          (failure: unknown) => setError(reasonOf(failure)),
        )
        .finally(() => setStarting(false));
    },
    [navigate],
  );
  return {
    view,
    starting,
    stopping: cancel.under,
    error: error ?? cancel.error,
    start: (search) => begin(client.start(requestOf(search))),
    retry: () => {
      if (id !== null) begin(client.retry(id, { idempotencyKey: newIdempotencyKey() }));
    },
    stop: cancel.stop,
  };
}
