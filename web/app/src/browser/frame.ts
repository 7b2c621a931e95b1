/** Joins any number of changes into one call per animation frame. */

// A page that nobody sees gets no frames, and should still know where it is when it is looked at again.
const HIDDEN_MS = 200;

export class FrameGate {
  readonly #run: () => void;
  #frame: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(run: () => void) {
    this.#run = run;
  }

  request(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => this.flush(), HIDDEN_MS);
    if (typeof requestAnimationFrame === "function") this.#frame = requestAnimationFrame(() => this.flush());
  }

  flush(): void {
    this.close();
    this.#run();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#timer = this.#frame = null;
  }
}
