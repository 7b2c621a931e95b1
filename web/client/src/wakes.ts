/** When a page should look after its connections at once: the network changed, or the machine may have slept. */

/**
 * `network`: it went or came back, and every connection from before is suspect; a server on the same machine answers
 * all the same, so nobody waits for it to come back. `slept`: the page is looked at again, or its clock has jumped.
 */
export type WakeReason = "network" | "slept";
/** Calls `wake` from now on; the function that comes back ends that. */
export type Wakes = (wake: (reason: WakeReason) => void) => () => void;

/** How often the clock is looked at. A lid that is closed and opened need not change what is visible. */
const CLOCK_MS = 5000;

/** The browser's own events; in a program without them, nothing ever. */
export const browserWakes: Wakes = (wake) => {
  const page = globalThis as Partial<Window & typeof globalThis>;
  const { document } = page;
  if (document === undefined) {
    return () => {};
  }
  const changed = (): void => wake("network");
  const visible = (): void => {
    if (document.visibilityState === "visible") {
      wake("slept");
    }
  };
  let lastAt = Date.now();
  const clock = setInterval(() => {
    const now = Date.now();
    if (now - lastAt > 3 * CLOCK_MS) {
      wake("slept");
    }
    lastAt = now;
  }, CLOCK_MS);
  const deaf = new AbortController();
  const until = { signal: deaf.signal };
  page.addEventListener?.("online", changed, until);
  page.addEventListener?.("offline", changed, until);
  // A page that comes back from the back/forward cache was frozen as well.
  page.addEventListener?.("pageshow", visible, until);
  document.addEventListener("visibilitychange", visible, until);
  return () => {
    clearInterval(clock);
    deaf.abort();
  };
};
