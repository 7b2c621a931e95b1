import type { Headwater, RunResource } from "@headwater/client";
import { createContext, use } from "react";
import { LiveRun } from "./chat/liveRun.ts";
import type { GroupStore } from "./models/groupStore.ts";

/** A page that is open goes on trying, as an EventSource does: whoever has had enough closes it. */
export const AS_LONG_AS_IT_IS_OPEN = { triesMax: Number.POSITIVE_INFINITY };

// Enough to go back and forth between conversations without reading them again.
const RUNS_MAX = 20;

/** The runs that this page has looked at, so that going from one to another loses no connection. */
export class RunStore {
  readonly #client: Headwater;
  readonly #runs = new Map<string, LiveRun>();

  constructor(client: Headwater) {
    this.#client = client;
  }

  get(id: string): LiveRun {
    return this.#runs.get(id) ?? this.#add(new LiveRun(this.#client, id));
  }

  /** A run that was just started here: what its start answered is known already. */
  adopt(run: RunResource): LiveRun {
    return this.#runs.get(run.id) ?? this.#add(new LiveRun(this.#client, run.id, run));
  }

  #add(run: LiveRun): LiveRun {
    for (const [id, old] of this.#runs) {
      if (this.#runs.size < RUNS_MAX) break;
      if (old.watched) continue;
      old.close();
      this.#runs.delete(id);
    }
    this.#runs.set(run.id, run);
    return run;
  }
}

export interface Server {
  readonly client: Headwater;
  readonly runs: RunStore;
  readonly groups: GroupStore;
}

export const ServerContext = createContext<Server | null>(null);

export function useServer(): Server {
  const server = use(ServerContext);
  if (server === null) throw new Error("useServer needs a ServerContext");
  return server;
}
