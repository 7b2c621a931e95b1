/** When a page should look after its connections at once: the network came back, or somebody looks at it again. */

/** `online`: every connection from before is suspect. `visible`: the machine or the tab may have slept. */
export type WakeReason = "online" | "visible";
/** Calls `wake` from now on; the function that comes back ends that. */
export type Wakes = (wake: (reason: WakeReason) => void) => () => void;

/** The browser's own events; in a program without them, nothing ever. */
export const browserWakes: Wakes = (wake) => {
  const page = globalThis as Partial<Window & typeof globalThis>;
  const online = (): void => wake("online");
  const visible = (): void => {
    if (page.document?.visibilityState === "visible") {
      wake("visible");
    }
  };
  page.addEventListener?.("online", online);
  // A page that comes back from the back/forward cache was frozen as well.
  page.addEventListener?.("pageshow", visible);
  page.document?.addEventListener("visibilitychange", visible);
  return () => {
    page.removeEventListener?.("online", online);
    page.removeEventListener?.("pageshow", visible);
    page.document?.removeEventListener("visibilitychange", visible);
  };
};
