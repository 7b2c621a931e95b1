/** One run as the page follows it: read from the server, folded, and told to whoever listens once a frame. */

import { ClientError, type Headwater, NotFound, PastUnknown, type RunResource } from "@headwater/client";
import { Audience } from "../browser/audience.ts";
import { RunFold, type RunView } from "./runFold.ts";

const RELOAD_MS = 3000;

export class LiveRun {
  readonly id: string;
  readonly #client: Headwater;
  readonly #fold: RunFold;
  readonly #audience = new Audience(
    (signal) => this.#live(signal),
    () => {
      this.#view = this.#fold.look();
    },
  );
  #view: RunView;

  /** `run` is what is known of it already, from the answer that started it. */
  constructor(client: Headwater, id: string, run: RunResource | null = null) {
    this.#client = client;
    this.id = id;
    this.#fold = new RunFold(id, run);
    this.#view = this.#fold.look();
  }

  readonly view = (): RunView => this.#view;

  readonly subscribe = this.#audience.subscribe;

  get watched(): boolean {
    return this.#audience.watching;
  }

  /** Asks the server to stop the run. What has come is kept, and the end comes as a record like any other. */
  async cancel(): Promise<void> {
    await this.#client.cancel(this.id);
  }

  /** A browser has few connections to a server: a run that nobody looks at is read on when somebody does. */
  close(): void {
    this.#audience.leave();
  }

  async #live(signal: AbortSignal): Promise<void> {
    if (this.#fold.over) return;
    try {
      if (this.#fold.run === null) this.#fold.know(await this.#load(signal));
      if (!this.#fold.over) await this.#follow(signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof NotFound) this.#fold.gone();
      else this.#fold.fail(error instanceof Error ? error.message : String(error));
    }
  }

  #load(signal: AbortSignal): Promise<RunResource> {
    return loadRun(this.#client, this.#fold, () => this.#audience.tell(), signal);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    this.#audience.tell();
    while (await this.#read(signal)) {
      this.#fold.restart(await this.#load(signal));
      this.#audience.tell();
      if (this.#fold.over) return;
    }
  }

  /** Reads on from the snapshot to the run's end; true where the past has to be asked for again before that. */
  async #read(signal: AbortSignal): Promise<boolean> {
    const records = this.#client.follow(this.id, {
      after: this.#fold.cursor,
      onStatus: (status) => {
        this.#fold.connection(status);
        this.#audience.tell();
      },
      signal,
    });
    for await (const record of records) {
      if (signal.aborted) return false;
      try {
        this.#fold.take(record);
      } catch (error) {
        if (error instanceof PastUnknown) return true;
        throw error;
      }
      this.#audience.tell();
    }
    return false;
  }
}

/** The run as the server has it, asked for until there is an answer. Throws `NotFound`, or that `signal` is aborted. */
export async function loadRun(
  client: Headwater,
  fold: RunFold,
  changed: () => void,
  signal: AbortSignal,
): Promise<RunResource> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.get(fold.id, { signal });
    } catch (error) {
      if (!(error instanceof ClientError) || error instanceof NotFound || signal.aborted) throw error;
      fold.link({ state: "reconnecting", attempt, at: Date.now() + RELOAD_MS });
      changed();
      await new Promise((resolve) => setTimeout(resolve, RELOAD_MS));
      fold.link({ state: "reconnecting", attempt, at: null });
      changed();
    }
  }
}
