/** Several runs as a page follows them: over one connection, and told to whoever listens once a frame. */

import {
  type Headwater,
  type LinkStatus,
  NotFound,
  PastUnknown,
  type ProtocolRecord,
  type RunResource,
} from "@headwater/client";
import { followMany, type RunItem } from "@headwater/client/many";
import { Audience } from "../browser/audience.ts";
import { loadRun } from "../chat/liveRun.ts";
import { RunFold, type RunView } from "../chat/runFold.ts";

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export class RunGroup {
  readonly ids: readonly string[];
  readonly #client: Headwater;
  readonly #folds: ReadonlyMap<string, RunFold>;
  readonly #audience = new Audience(
    (signal) => this.#live(signal),
    () => this.#look(),
  );
  readonly #changed = new Set<string>();
  #views: ReadonlyMap<string, RunView>;

  /** A fold may know its run already, from the answer that started it or from another group. */
  constructor(client: Headwater, folds: readonly RunFold[]) {
    this.#client = client;
    this.#folds = new Map(folds.map((fold) => [fold.id, fold]));
    this.ids = [...this.#folds.keys()];
    this.#views = new Map(folds.map((fold) => [fold.id, fold.look()]));
  }

  /** What is shown of each run, in the order of the group. */
  readonly views = (): ReadonlyMap<string, RunView> => this.#views;

  readonly subscribe = this.#audience.subscribe;

  /** The same with one run in the place of another. The connection is this group's until that of the new one. */
  replaced(old: string, run: RunResource): RunGroup {
    const folds = Array.from(this.#folds.values(), (fold) => (fold.id === old ? new RunFold(run.id, run) : fold));
    this.close();
    return new RunGroup(this.#client, folds);
  }

  /** Lets go of the connection. Who listens again goes on where it was. */
  close(): void {
    this.#audience.leave();
  }

  async #live(signal: AbortSignal): Promise<void> {
    const folds = [...this.#folds.values()];
    try {
      const unknown = folds.filter((fold) => fold.run === null && !fold.over);
      await Promise.all(unknown.map((fold) => this.#load(fold, signal)));
      while (await this.#read(signal)) {
        // One whose past had to be asked for again is part of the next connection.
      }
    } catch (error) {
      if (signal.aborted) return;
      for (const fold of folds.filter((each) => !each.over)) this.#note(fold, () => fold.fail(words(error)));
    }
  }

  async #load(fold: RunFold, signal: AbortSignal): Promise<void> {
    try {
      const run = await loadRun(this.#client, fold, () => this.#note(fold, () => {}), signal);
      this.#note(fold, () => (fold.run === null ? fold.know(run) : fold.restart(run)));
    } catch (error) {
      if (signal.aborted) throw error;
      this.#note(fold, () => (error instanceof NotFound ? fold.gone() : fold.fail(words(error))));
    }
  }

  /** Reads on to the end of all; true where one has to be asked for again before that. */
  async #read(signal: AbortSignal): Promise<boolean> {
    const live = [...this.#folds.values()].filter((fold) => !fold.over);
    if (live.length === 0) return false;
    const onStatus = (status: LinkStatus): void => {
      for (const fold of live) this.#note(fold, () => fold.connection(status));
    };
    const places = live.map((fold) => ({ run: fold.id, after: fold.cursor }));
    for await (const item of followMany(this.#client, places, { onStatus, signal })) {
      const fold = this.#folds.get(item.run);
      if (signal.aborted || fold === undefined) return false;
      if (!this.#take(fold, item)) {
        await this.#load(fold, signal);
        return true;
      }
    }
    return false;
  }

  /** False where the past of the run has to be asked for again. */
  #take(fold: RunFold, item: RunItem): boolean {
    const { record, error } = item;
    try {
      this.#note(fold, () => (record === undefined ? refuse(fold, error) : fold.take(record as ProtocolRecord)));
      return true;
    } catch (fault) {
      if (fault instanceof PastUnknown) return false;
      throw fault;
    }
  }

  #note(fold: RunFold, change: () => void): void {
    change();
    this.#changed.add(fold.id);
    this.#audience.tell();
  }

  #look(): void {
    const look = ([id, fold]: [string, RunFold]): [string, RunView] => {
      const known = this.#changed.has(id) ? undefined : this.#views.get(id);
      return [id, known ?? fold.look()];
    };
    this.#views = new Map(Array.from(this.#folds, look));
    this.#changed.clear();
  }
}

function refuse(fold: RunFold, error: unknown): void {
  if (error instanceof NotFound) fold.gone();
  else fold.fail(words(error));
}
