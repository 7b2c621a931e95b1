/** One stream as a page follows it: its state, its fold, and who is told. No page is needed. */

import { ClientError, isTheLinks, PastUnknown } from "./errors.ts";
import type { CursorStore } from "./cursor-store.ts";
import { emptySnapshot, fold } from "./fold.ts";
import type { ProtocolRecord, RunRequest, Snapshot } from "./protocol.ts";
import type { Headwater } from "./service.ts";
import { nextState, type StreamSignal, type StreamState } from "./stream-state.ts";
import type { FollowStatus, Subscription } from "./subscription.ts";

export interface StreamView {
  readonly state: StreamState;
  readonly run: string | null;
  readonly snapshot: Snapshot;
  /** Why it ended before it was whole, in words fit to show. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Tries in a row without progress, while it is reconnecting. */
  readonly attempt: number;
}

export interface StreamStoreOptions {
  readonly headwater: Headwater;
  /** Reads on where `headwater` has given up: one without streams (`pagesFetch`), usually. */
  readonly fallback?: Headwater;
  /** Keeps the cursor over reloads. */
  readonly cursors?: CursorStore;
  /** Joins changes: `requestAnimationFrame`, if nothing else is said and there is one. */
  readonly schedule?: (tell: () => void) => void;
}

/** Records between two times that the cursor is kept. */
const KEPT_EVERY = 50;
const IDLE: StreamView = { state: "idle", run: null, snapshot: emptySnapshot(), error: null, attempt: 0 };

/** At most one stream at a time: another `start` or `follow` leaves the one before. */
export class StreamStore {
  readonly #options: StreamStoreOptions;
  readonly #listeners = new Set<() => void>();
  #view = IDLE;
  #subscription: Subscription | null = null;
  #told = true;

  constructor(options: StreamStoreOptions) {
    this.#options = options;
  }

  /** What there is; a new object with each change. */
  readonly view = (): StreamView => this.#view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Starts a run and follows it. Settles when nothing more comes; what went wrong is in the view. */
  readonly start = (request: RunRequest): Promise<void> => {
    const { headwater } = this.#options;
    return this.#read(headwater.startAndFollow(request, { onStatus: this.#linked }), emptySnapshot());
  };

  /** Follows a run that is there, from where this page has kept it. */
  readonly follow = (run: string): Promise<void> => {
    const { headwater, cursors } = this.#options;
    const open = (snapshot: Snapshot): Promise<void> =>
      this.#read(headwater.follow(run, { after: snapshot.seq, onStatus: this.#linked }), snapshot);
    return open(cursors?.load(run)?.snapshot ?? emptySnapshot()).catch((error: unknown) => {
      if (!(error instanceof PastUnknown)) {
        throw error;
      }
      // A part of what was kept is taken back: only the whole log knows which.
      cursors?.forget(run);
      return open(emptySnapshot());
    });
  };

  /** Follows what another has opened. */
  readonly adopt = (open: (onStatus: (status: FollowStatus) => void) => Subscription): Promise<void> =>
    this.#read(open(this.#linked), emptySnapshot());

  /** Asks the server to stop the run; its end comes as a record. */
  readonly cancel = async (): Promise<void> => {
    await this.#subscription?.cancel();
  };

  /** Leaves the run alone, and shows nothing. */
  readonly reset = (): void => {
    this.close();
    this.#change(IDLE);
  };

  /** Leaves the run alone. */
  readonly close = (): void => {
    this.#subscription?.close();
    this.#subscription = null;
  };

  readonly #linked = ({ state, attempt }: FollowStatus): void => {
    const signals = { connecting: null, streaming: "open", reconnecting: "lost", ended: null } as const;
    const signal = signals[state];
    this.#change({ attempt, ...(signal === null ? {} : { state: nextState(this.#view.state, signal) }) });
  };

  async #read(subscription: Subscription, snapshot: Snapshot): Promise<void> {
    this.close();
    this.#subscription = subscription;
    const state = nextState(this.#view.state, "start");
    this.#change({ ...IDLE, state, snapshot, run: subscription.run });
    const failure = await this.#taken(subscription);
    const { fallback } = this.#options;
    const { run } = subscription;
    if (failure === null || this.#subscription !== subscription) {
      return;
    }
    if (fallback === undefined || run === null || !isTheLinks(failure)) {
      this.#failed(failure);
      return;
    }
    this.#signal("fallback");
    const other = fallback.follow(run, { after: this.#view.snapshot.seq });
    this.#subscription = other;
    const last = await this.#taken(other);
    if (last !== null && this.#subscription === other) {
      this.#failed(last);
    }
  }

  /** What ended the reading before its time; null for nothing. */
  async #taken(subscription: Subscription): Promise<ClientError | null> {
    try {
      for await (const record of subscription) {
        if (this.#subscription !== subscription) {
          return null;
        }
        this.#take(record, subscription.run);
      }
      return null;
    } catch (error) {
      if (error instanceof ClientError) {
        return error;
      }
      throw error;
    }
  }

  #take(record: ProtocolRecord, run: string | null): void {
    const snapshot = fold(this.#view.snapshot, record);
    this.#change({ snapshot, run });
    const { cursors } = this.#options;
    switch (record.type) {
      case "complete":
        this.#signal("complete");
        break;
      case "cancelled":
        this.#failed({ code: "CANCELLED", message: "The answer was stopped" });
        break;
      case "error":
        this.#failed(record.data);
        break;
      default:
        if (run !== null && record.seq % KEPT_EVERY === 0) {
          cursors?.save(run, snapshot);
        }
        return;
    }
    if (run !== null) {
      cursors?.forget(run);
    }
  }

  #failed({ code, message }: { readonly code: string; readonly message: string }): void {
    const { text, reasoning } = this.#view.snapshot;
    this.#change({ error: { code, message } });
    this.#signal(text + reasoning === "" ? "failed" : "partial");
  }

  #signal(signal: StreamSignal): void {
    this.#change({ state: nextState(this.#view.state, signal) });
  }

  #change(change: Partial<StreamView>): void {
    this.#view = { ...this.#view, ...change };
    if (this.#told) {
      this.#told = false;
      const { schedule = inFrame } = this.#options;
      schedule(() => {
        this.#told = true;
        for (const listener of this.#listeners) {
          listener();
        }
      });
    }
  }
}

/** A page that nobody sees gets no frames, and is told all the same. */
function inFrame(tell: () => void): void {
  if (typeof requestAnimationFrame !== "function" || document.hidden) {
    setTimeout(tell, 50);
  } else {
    requestAnimationFrame(tell);
  }
}
