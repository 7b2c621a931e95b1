/** When a page should look after its connections at once: the network changed, or somebody looks at the page again. */

/**
 * `network`: it went or came back, and every connection from before is suspect; a server on the same machine answers
 * all the same, so nobody waits for it to come back. `visible`: the machine or the tab may have slept.
 */
export type WakeReason = "network" | "visible";
/** Calls `wake` from now on; the function that comes back ends that. */
export type Wakes = (wake: (reason: WakeReason) => void) => () => void;

/** The browser's own events; in a program without them, nothing ever. */
export const browserWakes: Wakes = (wake) => {
  const page = globalThis as Partial<Window & typeof globalThis>;
  const changed = (): void => wake("network");
  const visible = (): void => {
    if (page.document?.visibilityState === "visible") {
      wake("visible");
    }
  };
  page.addEventListener?.("online", changed);
  page.addEventListener?.("offline", changed);
  // A page that comes back from the back/forward cache was frozen as well.
  page.addEventListener?.("pageshow", visible);
  page.document?.addEventListener("visibilitychange", visible);
  return () => {
    page.removeEventListener?.("online", changed);
    page.removeEventListener?.("offline", changed);
    page.removeEventListener?.("pageshow", visible);
    page.document?.removeEventListener("visibilitychange", visible);
  };
};
