/** When to try again: pure state, no clock. Whoever uses it sleeps. */

import { type ClientError, MaxRetriesExceeded, ServerError } from "./errors.ts";

/**
 * How often, and how long to wait: a random part of 1, 2, 4, 8, 8 … seconds.
 *
 * The waits have full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): clients that were cut off
 * together do not come back together.
 */
export interface RetryPolicy {
  /** In a row without progress; 0 never tries again, Infinity never gives up. */
  readonly triesMax: number;
  readonly baseMs: number;
  readonly capMs: number;
  /** A `Retry-After` above this is not waited for: its error is thrown, and says how long. */
  readonly retryAfterMsMax: number;
}

export const CALL_RETRY: RetryPolicy = { triesMax: 3, baseMs: 1000, capMs: 8000, retryAfterMsMax: 60_000 };

/** One line of tries under a policy. `random` gives numbers from 0 to 1. */
export class Backoff {
  /** Made so far, in a row without progress. */
  tries = 0;
  /** The server's reconnection time (`retry:`) takes the place of the policy's own. */
  baseMs: number;
  readonly #policy: RetryPolicy;
  readonly #random: () => number;

  constructor(policy: RetryPolicy, random: () => number) {
    this.#policy = policy;
    this.#random = random;
    this.baseMs = policy.baseMs;
  }

  /** Something new came: the next failure is a first one again. */
  progressed(): void {
    this.tries = 0;
  }

  /**
   * How long to wait before the next try after `error`, which counts as made.
   *
   * Throws `error` itself where another try can not help, `MaxRetriesExceeded` where enough were made.
   */
  delayMs(error: ClientError): number {
    const { triesMax, capMs, retryAfterMsMax } = this.#policy;
    const retryAfterMs = error instanceof ServerError ? error.retryAfterMs : null;
    if (!error.retryable || triesMax === 0 || (retryAfterMs !== null && retryAfterMs > retryAfterMsMax)) {
      throw error;
    }
    if (this.tries >= triesMax) {
      throw new MaxRetriesExceeded(error, this.tries);
    }
    // A server that asks for more than the cap is believed, up to the bound on what it may ask for at all.
    const baseMs = Math.min(this.baseMs, retryAfterMsMax);
    const ceilingMs = Math.min(baseMs * 2 ** this.tries, Math.max(capMs, baseMs));
    this.tries += 1;
    // A Retry-After is the earliest moment; the jitter comes on top, or everyone would be back at that moment.
    return (retryAfterMs ?? 0) + this.#random() * ceilingMs;
  }
}
