/** A streamed answer as text: what came, what goes on, and why it ended. */

import { createElement, type ReactElement, useEffect, useState } from "react";

import type { StreamState } from "./stream-state.ts";

export interface ViewerProps {
  readonly text: string;
  readonly state: StreamState;
  readonly error?: { readonly message: string } | null;
  /** Shows the text letter by letter, at the reader's pace and not the model's. Not where less motion is asked for. */
  readonly typewriter?: boolean;
  readonly className?: string;
}

const LETTERS_PER_S = 120;
/** What a typewriter may be behind before it hurries. */
const BEHIND_MAX = 400;
const WORDS: Readonly<Record<StreamState, string>> = {
  idle: "",
  connecting: "Connecting",
  streaming: "Answering",
  reconnecting: "Reconnecting",
  fallback: "Answering, without a stream",
  complete: "Complete",
  partial: "Stopped before its end",
  failed: "Failed",
};

/** Makes text of everything that comes: no part of an answer becomes markup. */
export function StreamedResponseViewer(props: ViewerProps): ReactElement {
  const { text, state, error, typewriter = false, className } = props;
  const shown = useTyped(text, typewriter);
  const busy = state === "connecting" || state === "streaming" || state === "reconnecting" || state === "fallback";
  const said = error === undefined || error === null ? WORDS[state] : `${WORDS[state]}: ${error.message}`;
  return createElement(
    "div",
    { className, "data-state": state, "aria-busy": busy },
    createElement("div", { style: { whiteSpace: "pre-wrap", overflowWrap: "anywhere" } }, shown),
    createElement("p", { role: "status" }, said),
  );
}

/** As much of the text as a typewriter would have written. */
function useTyped(text: string, on: boolean): string {
  const [length, setLength] = useState(on ? 0 : text.length);
  // Another answer has begun.
  if (length > text.length) {
    setLength(text.length);
  }
  const behind = on && !wantsLessMotion() ? text.length - length : 0;
  useEffect(() => {
    if (behind <= 0) {
      return;
    }
    let before = performance.now();
    const frame = requestAnimationFrame(function typed(now: number) {
      const letters = Math.max(1, Math.floor(((now - before) * LETTERS_PER_S) / 1000));
      before = now;
      setLength((old) => Math.max(Math.min(old + letters, text.length), text.length - BEHIND_MAX));
    });
    return () => cancelAnimationFrame(frame);
  }, [behind, text]);
  return behind > 0 ? text.slice(0, wholeLetters(text, length)) : text;
}

/** A surrogate pair is never shown in halves. */
function wholeLetters(text: string, length: number): number {
  const code = text.charCodeAt(length - 1);
  return code >= 0xd800 && code <= 0xdbff ? length - 1 : length;
}

function wantsLessMotion(): boolean {
  return typeof matchMedia === "function" && matchMedia("(prefers-reduced-motion: reduce)").matches;
}
