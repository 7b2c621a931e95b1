import { useCallback, useSyncExternalStore } from "react";

// The same widths as in styles/shell.css and styles/examiner.css.
const WIDE = "(min-width: 768px)";
const COLUMNS = "(min-width: 1024px)";

function useMedia(condition: string): boolean {
  const subscribe = useCallback(
    (listener: () => void) => {
      const query = matchMedia(condition);
      query.addEventListener("change", listener);
      return () => query.removeEventListener("change", listener);
    },
    [condition],
  );
  return useSyncExternalStore(subscribe, () => matchMedia(condition).matches);
}

/** Whether there is room for the conversations beside the page. */
export function useWide(): boolean {
  return useMedia(WIDE);
}

/** Whether there is room for two columns in the page, too. */
export function useColumns(): boolean {
  return useMedia(COLUMNS);
}
