/** Whoever looks at something that is read from the server, and the reading that goes on as long as somebody does. */

import { FrameGate } from "./frame.ts";

// Going from one page to another is no reason to let a connection go.
const LEAVE_MS = 1000;

export class Audience {
  readonly #read: (signal: AbortSignal) => Promise<void>;
  readonly #look: () => void;
  readonly #listeners = new Set<() => void>();
  readonly #gate = new FrameGate(() => this.#publish());
  #reading: AbortController | null = null;
  #leaving: ReturnType<typeof setTimeout> | null = null;

  /**
   * `read` reads until its signal is aborted, and is called again for who comes after that. `look` makes what is shown,
   * once for each frame that it is told in.
   */
  constructor(read: (signal: AbortSignal) => Promise<void>, look: () => void) {
    this.#read = read;
    this.#look = look;
  }

  get watching(): boolean {
    return this.#listeners.size > 0;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#stay();
    if (this.#reading === null) {
      this.#reading = new AbortController();
      void this.#follow(this.#reading.signal);
    }
    return () => {
      this.#listeners.delete(listener);
      if (!this.watching) this.#leaving = setTimeout(() => this.leave(), LEAVE_MS);
    };
  };

  /** Something has changed: everybody is told with the next frame. */
  tell(): void {
    this.#gate.request();
  }

  /** Lets go of the connection. Who listens again goes on where it was. */
  leave(): void {
    this.#stay();
    this.#reading?.abort();
    this.#reading = null;
    this.#gate.close();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    await this.#read(signal);
    if (!signal.aborted) this.#gate.flush();
  }

  #stay(): void {
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    this.#leaving = null;
  }

  #publish(): void {
    this.#look();
    for (const listener of this.#listeners) listener();
  }
}
