/** A page with the hooks and components of the React entry, for tests in a browser: `?show=stream` and so on. */

import { createElement, type ReactElement, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

import { CursorStore } from "../../src/cursor-store.ts";
import { Headwater } from "../../src/index.ts";
import { pagesFetch } from "../../src/pages.ts";
import {
  ConversationInterface,
  StreamedResponseViewer,
  type StreamState,
  useAnalysisStreaming,
  useStream,
} from "../../src/react.ts";

const asked = new URLSearchParams(location.search);
const model = "scripted";

function button(name: string, onClick: () => void): ReactElement {
  return createElement("button", { onClick }, name);
}

/** Every state that was shown, in order, for a test to read. */
function Shown({ state, text }: { readonly state: StreamState; readonly text: string }): ReactElement {
  const [states, setStates] = useState<readonly StreamState[]>([state]);
  if (states.at(-1) !== state) {
    setStates([...states, state]);
  }
  return createElement("pre", { "data-states": states.join(" ") }, text);
}

function Stream(): ReactElement {
  const given = asked.has("plain") ? {} : { headwater: new Headwater(), cursors: new CursorStore() };
  const stream = useStream(given);
  const { state, text, run } = stream;
  const followed = asked.get("run");
  return createElement(
    "main",
    { "data-run": run },
    button("Start", () => {
      void stream.start({ model, messages: [{ role: "user", content: asked.get("ask") ?? "" }] });
    }),
    button("Follow", () => void (followed !== null && stream.follow(followed))),
    button("Stop", () => void stream.cancel()),
    button("Reset", stream.reset),
    createElement(Shown, { state, text }),
    createElement(StreamedResponseViewer, { text, state, error: stream.error, typewriter: asked.has("typewriter") }),
  );
}

/** Pages of runs, and a mark that they were asked for. */
const marked: typeof fetch = (input, init) => {
  document.documentElement.dataset.mine = "asked";
  return fetch(input, init);
};

const mine = asked.has("mine") ? new Headwater({ fetch: pagesFetch({ fetch: marked }) }) : undefined;

function Analysis(): ReactElement {
  const analysis = useAnalysisStreaming(undefined, mine);
  const { state, visibleText, reasoningText, error, summary } = analysis;
  return createElement(
    "main",
    { "data-summary": summary?.finish_reason, "data-error": error?.code },
    button("Start", () => {
      analysis.startStream({ taskId: asked.get("task") ?? "", modelKey: "simulated", temperature: 0.5 });
    }),
    button("Close", analysis.closeStream),
    createElement(Shown, { state, text: `${reasoningText}|${visibleText}` }),
  );
}

const shown: Readonly<Record<string, () => ReactElement>> = {
  stream: () => createElement(Stream),
  analysis: () => createElement(Analysis),
  conversation: () =>
    createElement(ConversationInterface, { model, useStreaming: asked.get("streaming") !== "no" }),
};
const make = shown[asked.get("show") ?? "stream"];
const root = document.getElementById("root");
if (make !== undefined && root !== null) {
  createRoot(root).render(createElement(StrictMode, null, make()));
}
