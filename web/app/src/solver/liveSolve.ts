/** One search as the page follows it: its tokens over the event stream, its steps over the WebSocket too. */

import { Headwater, NotFound, PastUnknown } from "@headwater/client";
import { followTypes } from "@headwater/client/by-type";
import { webSocketFetch } from "@headwater/client/websocket";
import { Audience } from "../browser/audience.ts";
import { loadRun } from "../chat/liveRun.ts";
import { AS_LONG_AS_IT_IS_OPEN } from "../server.ts";
import { SolveFold, type SolveView, STEP_TYPES } from "./solveFold.ts";

export class LiveSolve {
  readonly id: string;
  readonly #client: Headwater;
  readonly #sockets = new Headwater({ fetch: webSocketFetch(), followRetry: AS_LONG_AS_IT_IS_OPEN });
  readonly #fold: SolveFold;
  readonly #audience = new Audience(
    (signal) => this.#live(signal),
    () => {
      this.#view = this.#fold.look();
    },
  );
  #view: SolveView;
  #read = false;

  constructor(client: Headwater, id: string) {
    this.#client = client;
    this.id = id;
    this.#fold = new SolveFold(id);
    this.#view = this.#fold.look();
  }

  readonly view = (): SolveView => this.#view;

  readonly subscribe = this.#audience.subscribe;

  /** Asks the server to stop the search. What was found is kept, and the end comes as a record like any other. */
  async cancel(): Promise<void> {
    await this.#client.cancel(this.id);
  }

  async #live(signal: AbortSignal): Promise<void> {
    if (this.#read) return;
    const { run } = this.#fold;
    // The socket is let go of with the stream: when one has all, so has the other.
    const socket = new AbortController();
    try {
      if (run.run === null) run.know(await this.#load(signal));
      this.#audience.tell();
      if (!run.over) void this.#steps(AbortSignal.any([signal, socket.signal]));
      while (await this.#follow(signal)) run.restart(await this.#load(signal));
      this.#read = !signal.aborted;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof NotFound) run.gone();
      else run.fail(error instanceof Error ? error.message : String(error));
    } finally {
      socket.abort();
    }
  }

  #load(signal: AbortSignal) {
    return loadRun(this.#client, this.#fold.run, () => this.#audience.tell(), signal);
  }

  /** Reads to the final record; true where the run has to be asked for again before that. */
  async #follow(signal: AbortSignal): Promise<boolean> {
    const records = this.#client.follow(this.id, {
      after: this.#fold.cursor,
      onStatus: (status) => {
        this.#fold.run.connection(status);
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

  async #steps(signal: AbortSignal): Promise<void> {
    const onStatus = ({ state }: { readonly state: string }): void => {
      this.#fold.socket(state === "streaming");
      if (!signal.aborted) this.#audience.tell();
    };
    try {
      const steps = followTypes(this.#sockets, this.id, STEP_TYPES, { after: this.#fold.step, onStatus, signal });
      for await (const record of steps) {
        this.#fold.note(record);
        this.#audience.tell();
      }
    } catch {
      // The event stream brings the steps as well, and says what there is to be said.
    } finally {
      this.#fold.socket(false);
    }
  }
}
