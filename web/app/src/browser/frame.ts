/** Joins any number of changes into one call per animation frame, and into fewer where a frame's work takes long. */

// A page that nobody sees gets no frames, and should still know where it is when it is looked at again.
const HIDDEN_MS = 200;

export class FrameGate {
  readonly #run: () => void;
  #frame: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #restUntil = 0;

  constructor(run: () => void) {
    this.#run = run;
  }

  request(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => this.flush(), HIDDEN_MS);
    this.#ask();
  }

  flush(): void {
    this.close();
    const begun = performance.now();
    this.#run();
    // What the change costs to draw is known after the frame. As long again is left to the reader's own doings.
    setTimeout(() => {
      const now = performance.now();
      this.#restUntil = now + Math.min(now - begun, HIDDEN_MS);
    });
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#timer = this.#frame = null;
  }

  #ask(): void {
    if (typeof requestAnimationFrame !== "function") return;
    this.#frame = requestAnimationFrame((now) => {
      if (now < this.#restUntil) this.#ask();
      else this.flush();
    });
  }
}
