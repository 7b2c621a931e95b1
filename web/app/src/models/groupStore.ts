import type { Headwater, RunResource } from "@headwater/client";
import { RunFold } from "../chat/runFold.ts";
import { isOver } from "./comparison.ts";
import { RunGroup } from "./runGroup.ts";

// Enough to go back and forth between comparisons without reading them again.
const GROUPS_MAX = 4;

/** The comparisons that this page has looked at, each under its runs. */
export class GroupStore {
  readonly #client: Headwater;
  readonly #groups = new Map<string, RunGroup>();

  constructor(client: Headwater) {
    this.#client = client;
  }

  get(ids: readonly string[]): RunGroup {
    const known = this.#groups.get(ids.join());
    return known ?? this.keep(new RunGroup(this.#client, ids.map((id) => new RunFold(id))));
  }

  /** Runs that were just started here: what their start answered is known already. */
  adopt(runs: readonly RunResource[]): RunGroup {
    return this.keep(new RunGroup(this.#client, runs.map((run) => new RunFold(run.id, run))));
  }

  /** The newest that still has answers on their way, as far as this page knows. */
  underWay(): RunGroup | null {
    const newestFirst = [...this.#groups.values()].reverse();
    return newestFirst.find((group) => ![...group.views().values()].every(isOver)) ?? null;
  }

  keep(group: RunGroup): RunGroup {
    this.#groups.set(group.ids.join(), group);
    for (const [key, old] of this.#groups) {
      if (this.#groups.size <= GROUPS_MAX) break;
      old.close();
      this.#groups.delete(key);
    }
    return group;
  }
}
