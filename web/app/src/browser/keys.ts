import { useEffect } from "react";

// What takes letters; a box that is ticked and a choice that is made take none.
const WRITING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

/** The page's own keys: Escape stops what is on its way, / goes where words are written. */
export function useKeys(stop: (() => void) | null, place: () => HTMLElement | null): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape" && stop !== null && document.querySelector("dialog[open]") === null) stop();
      if (event.key === "/" && !(event.target as HTMLElement).matches(WRITING)) {
        event.preventDefault();
        place()?.focus();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [stop, place]);
}
