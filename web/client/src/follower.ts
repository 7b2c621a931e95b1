/**
 * Reads over as many connections as it takes. Whatever ends a connection, the loop waits a little, opens another one
 * behind what it has, and drops what it has already given out.
 */

import type { Backoff } from "./backoff.ts";
import { Cancelled, ClientError, NetworkError } from "./errors.ts";
import { StreamReader } from "./reader.ts";
import type { WakeReason, Wakes } from "./wakes.ts";

/** Where the connection is. `delayMs` and `error` are there while it waits for its next try. */
export interface LinkStatus {
  readonly state: "connecting" | "streaming" | "reconnecting" | "ended";
  /** Tries in a row without progress. */
  readonly attempt: number;
  readonly delayMs?: number;
  readonly error?: ClientError;
}

/** `heartbeatMs` is how often a silent server says that it lives; 2.5 times that without a byte is death. */
export interface Timing {
  readonly heartbeatMs: number;
  /** Waits, and no longer than until `signal` is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface FollowerParts {
  readonly following: Backoff;
  readonly timing: Timing;
  readonly wakes: Wakes;
  readonly signal: AbortSignal | undefined;
}

interface Connection {
  readonly controller: AbortController;
  reader: StreamReader | null;
}

/** What is read, and from where, is the subclass's. It is iterated once. */
export abstract class Follower<Item> implements AsyncIterable<Item> {
  readonly #parts: FollowerParts;
  readonly #items: AsyncGenerator<Item, void, undefined>;
  #connection: Connection | null = null;
  #nap: AbortController | null = null;
  #closed = false;
  readonly #aborted = (): void => this.close();
  /** The connection was given up because the world changed. */
  #woken = false;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#items = this.#follow();
  }

  [Symbol.asyncIterator](): AsyncIterator<Item, void, undefined> {
    return this.#items;
  }

  /** Closes the connection, and the iteration ends without an error. The server goes on. */
  close(): void {
    this.#closed = true;
    this.#parts.signal?.removeEventListener("abort", this.#aborted);
    const reason = new Cancelled("Reading was stopped");
    this.gaveUp(reason);
    this.#connection?.controller.abort(reason);
    this.#nap?.abort();
  }

  /** What a subclass does last while it is made: its caller's signal may have been aborted by then. */
  protected listen(): void {
    this.#parts.signal?.addEventListener("abort", this.#aborted);
    if (this.#parts.signal?.aborted) {
      this.close();
    }
  }

  /** Opens a connection behind what has been read. */
  protected abstract open(signal: AbortSignal): Promise<Response>;
  /** What is new of one connection; ends where nothing more can come. */
  protected abstract read(reader: StreamReader): AsyncGenerator<Item, void, undefined>;
  protected abstract tell(status: LinkStatus): void;
  /** What a failure is to the caller where the rest goes on at once. */
  protected absorb(_: ClientError): Item | null {
    return null;
  }
  /** Nothing more will come, for this reason. */
  protected gaveUp(_: unknown): void {}

  protected get backoff(): Backoff {
    return this.#parts.following;
  }

  /** To be called before each item is given out. */
  protected check(): void {
    if (this.#closed) {
      throw new Cancelled("Reading was stopped");
    }
  }

  async *#follow(): AsyncGenerator<Item, void, undefined> {
    const deafen = this.#parts.wakes((reason) => this.#wake(reason));
    try {
      while (!this.#closed) {
        try {
          yield* this.#connected();
          this.#say("ended");
          return;
        } catch (error) {
          if (!(error instanceof ClientError)) {
            throw error;
          }
          const item = this.#closed ? null : this.absorb(error);
          if (item === null) {
            await this.#recover(error);
          } else {
            yield item;
          }
        }
      }
    } finally {
      deafen();
      this.close();
    }
  }

  /** What is new of one connection; ends after the last of all. */
  async *#connected(): AsyncGenerator<Item, void, undefined> {
    const { timing, following } = this.#parts;
    const connection: Connection = { controller: new AbortController(), reader: null };
    this.#connection = connection;
    this.#woken = false;
    const { signal } = connection.controller;
    let openedAt = 0;
    try {
      this.#say("connecting");
      const response = await this.open(signal);
      openedAt = Date.now();
      if (response.status === 204) {
        return;
      }
      this.#say("streaming");
      connection.reader = new StreamReader(response, { silenceMs: 2.5 * timing.heartbeatMs, signal });
      yield* this.read(connection.reader);
    } finally {
      this.#connection = null;
      connection.controller.abort();
      const { reader } = connection;
      if (reader !== null) {
        following.baseMs = reader.retryMs ?? following.baseMs;
        if (reader.lastByteAt - openedAt >= timing.heartbeatMs) {
          following.progressed();
        }
      }
    }
  }

  async #recover(error: ClientError): Promise<void> {
    if (this.#closed) {
      return;
    }
    let delayMs = 0;
    // That is no failure of the server's.
    if (!this.#woken) {
      try {
        delayMs = this.backoff.delayMs(error);
      } catch (last) {
        this.gaveUp(last);
        throw last;
      }
    }
    this.#say("reconnecting", { delayMs, error });
    if (delayMs > 0 && !this.#closed) {
      this.#nap = new AbortController();
      await this.#parts.timing.sleep(delayMs, this.#nap.signal);
      this.#nap = null;
    }
  }

  #wake(reason: WakeReason): void {
    this.#nap?.abort();
    const connection = this.#connection;
    if (connection === null) {
      return;
    }
    const silentMs = Date.now() - (connection.reader?.lastByteAt ?? Date.now());
    if (reason === "network" || silentMs > 1.2 * this.#parts.timing.heartbeatMs) {
      this.#woken = true;
      connection.controller.abort(new NetworkError("The connection is from before a sleep or a change of network"));
    }
  }

  #say(state: LinkStatus["state"], more: Partial<LinkStatus> = {}): void {
    this.tell({ state, attempt: this.backoff.tries, ...more });
  }
}

/** The platform's timer. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, signal.aborted ? 0 : ms);
    signal.addEventListener("abort", done);
  });
}
