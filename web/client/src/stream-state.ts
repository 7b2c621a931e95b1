/** What a page shows of one stream: a state machine as a table, without a page. */

/**
 * `idle`: nothing was asked for. `fallback`: it is read without a stream. `complete`: whole. `partial`: it ended before
 * that, with something to show. `failed`: it ended with nothing to show.
 */
export type StreamState =
  | "idle"
  | "connecting"
  | "streaming"
  | "reconnecting"
  | "fallback"
  | "complete"
  | "partial"
  | "failed";

/**
 * `start`: something is asked for. `open`: the connection stands. `lost`: it broke, and another is on its way.
 * `fallback`: it goes on without a stream. `complete`: the run is whole. `partial`, `failed`: nothing more comes, with
 * something to show or with nothing. `reset`: back to the beginning.
 */
export type StreamSignal = "start" | "open" | "lost" | "fallback" | "complete" | "partial" | "failed" | "reset";

const ENDS = { complete: "complete", partial: "partial", failed: "failed" } as const;
const ANYWHERE = { start: "connecting", reset: "idle" } as const;

/** Where each signal leads; what is not in a row changes nothing there. */
export const STREAM_STATES: Readonly<Record<StreamState, Readonly<Partial<Record<StreamSignal, StreamState>>>>> = {
  idle: { ...ANYWHERE },
  connecting: { ...ANYWHERE, ...ENDS, open: "streaming", lost: "reconnecting", fallback: "fallback" },
  streaming: { ...ANYWHERE, ...ENDS, lost: "reconnecting", fallback: "fallback" },
  reconnecting: { ...ANYWHERE, ...ENDS, open: "streaming", fallback: "fallback" },
  fallback: { ...ANYWHERE, ...ENDS },
  complete: { ...ANYWHERE },
  partial: { ...ANYWHERE },
  failed: { ...ANYWHERE },
};

export function nextState(state: StreamState, signal: StreamSignal): StreamState {
  return STREAM_STATES[state][signal] ?? state;
}
