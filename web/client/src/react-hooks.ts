/** Streams as React state. */

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import {
  type AnalysisError,
  type AnalysisStream,
  type AnalysisStreamHandlers,
  type AnalysisStreamParams,
  createAnalysisStream,
} from "./analysis.ts";
import { pagesFetch } from "./pages.ts";
import type { CompleteData, RunRequest } from "./protocol.ts";
import { Headwater } from "./service.ts";
import { nextState, type StreamSignal, type StreamState } from "./stream-state.ts";
import { StreamStore, type StreamStoreOptions, type StreamView } from "./stream-store.ts";

/** Looked at once, when the component comes; without a `headwater` it is the page's own server. */
export type UseStreamOptions = Partial<StreamStoreOptions>;

export interface Streaming extends StreamView {
  /** `snapshot.text`. */
  readonly text: string;
  readonly start: (request: RunRequest) => Promise<void>;
  readonly follow: (run: string) => Promise<void>;
  /** Asks the server to stop the run. */
  readonly cancel: () => Promise<void>;
  /** Leaves the run alone, and shows nothing. */
  readonly reset: () => void;
}

/** One run at a time. The run goes on when the component leaves. */
export function useStream(options: UseStreamOptions = {}): Streaming {
  const [store] = useState(() => new StreamStore(withDefaults(options)));
  const view = useSyncExternalStore(store.subscribe, store.view, store.view);
  useEffect(() => store.close, [store]);
  return useMemo(() => {
    const { start, follow, cancel, reset } = store;
    return { ...view, text: view.snapshot.text, start, follow, cancel, reset };
  }, [store, view]);
}

function withDefaults(options: UseStreamOptions): StreamStoreOptions {
  const { headwater } = options;
  return headwater === undefined ? { ...ownServer(), ...options } : { ...options, headwater };
}

/** The page's own server, and pages of it where streams do not get through. */
function ownServer(): { readonly headwater: Headwater; readonly fallback: Headwater } {
  return {
    headwater: new Headwater(),
    fallback: new Headwater({ fetch: pagesFetch() }),
  };
}

export interface AnalysisStreaming {
  readonly state: StreamState;
  /** The run's id. */
  readonly sessionId: string | null;
  readonly visibleText: string;
  readonly reasoningText: string;
  /** What the analysis ended with. */
  readonly summary: CompleteData | null;
  readonly error: AnalysisError | null;
  readonly startStream: (params: AnalysisStreamParams, handlers?: AnalysisStreamHandlers) => void;
  /** Leaves the analysis alone, and shows nothing. */
  readonly closeStream: () => void;
  /** Asks the server to stop it. */
  readonly cancelStream: () => Promise<void>;
}

type AnalysisView = Omit<AnalysisStreaming, "startStream" | "closeStream" | "cancelStream">;

const NO_ANALYSIS: AnalysisView = {
  state: "idle",
  sessionId: null,
  visibleText: "",
  reasoningText: "",
  summary: null,
  error: null,
};

/** One analysis at a time. Without a `headwater` it is the page's own server; `fallback` is as in `useStream`. */
export function useAnalysisStreaming(headwater?: Headwater, fallback?: Headwater): AnalysisStreaming {
  const [view, setView] = useState(NO_ANALYSIS);
  const [own] = useState(ownServer);
  const stream = useRef<AnalysisStream | null>(null);
  const server = useRef<Partial<typeof own>>(own);
  const servers = headwater === undefined ? own : { headwater };
  server.current = fallback === undefined ? servers : { ...servers, fallback };
  const startStream = useCallback((params: AnalysisStreamParams, also: AnalysisStreamHandlers = {}): void => {
    stream.current?.close();
    const change = (next: (old: AnalysisView) => AnalysisView): void => setView(next);
    setView({ ...NO_ANALYSIS, state: nextState("idle", "start") });
    const { headwater: first, fallback: second } = server.current;
    stream.current = createAnalysisStream(params, shownBy(change, also), first, second);
  }, []);
  const closeStream = useCallback((): void => {
    stream.current?.close();
    stream.current = null;
    setView(NO_ANALYSIS);
  }, []);
  const cancelStream = useCallback(async (): Promise<void> => stream.current?.cancel(), []);
  useEffect(() => () => stream.current?.close(), []);
  return { ...view, startStream, closeStream, cancelStream };
}

/** Handlers that keep what is shown, and call the caller's own. */
function shownBy(
  change: (next: (old: AnalysisView) => AnalysisView) => void,
  also: AnalysisStreamHandlers,
): AnalysisStreamHandlers {
  const to = (signal: StreamSignal) => (old: AnalysisView) => ({ ...old, state: nextState(old.state, signal) });
  return {
    ...also,
    onInit: (init) => {
      change((old) => ({ ...old, sessionId: init.sessionId }));
      also.onInit?.(init);
    },
    onConnection: (status) => {
      if (status.state === "streaming" || status.state === "reconnecting") {
        change(to(status.state === "streaming" ? "open" : "lost"));
      }
      also.onConnection?.(status);
    },
    onFallback: (reason) => {
      change(to("fallback"));
      also.onFallback?.(reason);
    },
    onChunk: (chunk) => {
      const name = chunk.type === "text" ? "visibleText" : "reasoningText";
      change((old) => ({ ...old, [name]: old[name] + chunk.delta }));
      also.onChunk?.(chunk);
    },
    onComplete: (summary) => {
      change((old) => to("complete")({ ...old, summary }));
      also.onComplete?.(summary);
    },
    onError: (error) => {
      change((old) => to(old.visibleText + old.reasoningText === "" ? "failed" : "partial")({ ...old, error }));
      also.onError?.(error);
    },
  };
}
