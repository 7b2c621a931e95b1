/** Where a run stands, as the page tells it: from what its records say and what its connection does. */

import type { LinkStatus, RunResource, RunSummary, Snapshot } from "@headwater/client";

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  /** How long the provider asks to wait before the next try. */
  readonly retry_after_ms?: number | null;
}

export type RunStatus =
  | { readonly kind: "connecting" }
  | { readonly kind: "queued"; readonly position: number | null }
  | { readonly kind: "streaming" }
  /** The model failed; `at` is when it is called again (milliseconds since 1970), null while that is under way. */
  | { readonly kind: "retrying"; readonly at: number | null }
  /** The model failed, and another one is called. */
  | { readonly kind: "falling_back" }
  /** The connection to the model was lost, and its answer goes on; `at` is when the rest is asked for. */
  | { readonly kind: "reattaching"; readonly at: number }
  /** `at` is when the next try begins (milliseconds since 1970), null while it is under way. */
  | { readonly kind: "reconnecting"; readonly attempt: number; readonly at: number | null }
  | { readonly kind: "complete"; readonly reason: string }
  | { readonly kind: "stopped"; readonly by: string }
  | { readonly kind: "partial"; readonly failure: Failure }
  | { readonly kind: "failed"; readonly failure: Failure };

export type StatusKind = RunStatus["kind"];

/** How a run ended. */
export type End =
  | { readonly type: "complete"; readonly reason: string }
  | { readonly type: "cancelled"; readonly by: string }
  | { readonly type: "error"; readonly failure: Failure };

/** What a running run says of itself. */
export type Phase =
  | { readonly state: "connecting" | "streaming" | "falling_back" }
  | { readonly state: "retrying"; readonly at: number | null }
  | { readonly state: "reattaching"; readonly at: number }
  | { readonly state: "queued"; readonly position: number | null };

/** What a record of type `status` makes of it. A model that is called again is told so until it answers. */
export function phaseOf(
  data: { readonly state: string; readonly position?: number | null; readonly wait_ms?: number | null },
  before: Phase,
  now: number,
): Phase {
  switch (data.state) {
    case "queued":
      return { state: "queued", position: data.position ?? null };
    case "retrying":
    case "reattaching":
      return { state: data.state, at: now + (data.wait_ms ?? 0) };
    case "connecting":
      if (before.state === "retrying") return { state: "retrying", at: null };
      return before.state === "falling_back" ? before : { state: "connecting" };
    case "streaming":
    case "falling_back":
      return { state: data.state };
    default:
      return before;
  }
}

/** What the connection to the server does. */
export type Link =
  | { readonly state: "connecting" | "streaming" }
  | { readonly state: "reconnecting"; readonly attempt: number; readonly at: number | null };

export function linkOf(status: LinkStatus, now: number): Link {
  if (status.state === "reconnecting") {
    return { state: "reconnecting", attempt: status.attempt, at: now + (status.delayMs ?? 0) };
  }
  if (status.state === "connecting" && status.attempt > 0) {
    return { state: "reconnecting", attempt: status.attempt, at: null };
  }
  return { state: status.state === "connecting" ? "connecting" : "streaming" };
}

/** The end of a run that had ended before the page came, or null if it has not. */
export function endOf(state: RunResource["state"], snapshot: Snapshot): End | null {
  switch (state) {
    case "completed":
      return { type: "complete", reason: snapshot.finish_reason ?? "stop" };
    case "cancelled":
      return { type: "cancelled", by: "" };
    case "failed":
      return {
        type: "error",
        failure: snapshot.error ?? { code: "SERVER", message: "The run failed.", retryable: true },
      };
    default:
      return null;
  }
}

/** Whether a model has put out anything: what ends by an error with something is partial, without anything failed. */
export function hasOutput({ text, reasoning, refusal, tool_calls: calls }: Snapshot): boolean {
  return text !== "" || reasoning !== "" || refusal !== "" || calls.length > 0;
}

export function statusOf(end: End | null, link: Link, phase: Phase, output: boolean): RunStatus {
  if (end !== null) {
    if (end.type === "complete") return { kind: "complete", reason: end.reason };
    if (end.type === "cancelled") return { kind: "stopped", by: end.by };
    return { kind: output ? "partial" : "failed", failure: end.failure };
  }
  if (link.state === "reconnecting") return { kind: "reconnecting", attempt: link.attempt, at: link.at };
  if (link.state === "connecting" && !output) return { kind: "connecting" };
  if (phase.state === "queued") return { kind: "queued", position: phase.position };
  if (phase.state === "retrying") return { kind: "retrying", at: phase.at };
  if (phase.state === "reattaching") return { kind: "reattaching", at: phase.at };
  return { kind: phase.state };
}

export function isEnd(kind: StatusKind): boolean {
  return kind === "complete" || kind === "stopped" || kind === "partial" || kind === "failed";
}

const KINDS: ReadonlyMap<string, StatusKind> = new Map([
  ["queued", "queued"],
  ["running", "streaming"],
  ["completed", "complete"],
  ["cancelled", "stopped"],
]);

/** The same of a run in a list, of which no snapshot is there. */
export function kindOf({ state, metrics }: Pick<RunSummary, "state" | "metrics">): StatusKind {
  const kind = KINDS.get(state);
  if (kind !== undefined) return kind;
  // A newer server's word: of such an end it is not known that the answer is whole.
  if (state !== "failed") return metrics === null ? "streaming" : "partial";
  return (metrics?.chunks ?? 0) > 0 ? "partial" : "failed";
}

/** Why an answer that ended well may not be the whole of what was to be said. */
const REASONS: Readonly<Record<string, string>> = {
  length: "Complete · length limit reached",
  content_filter: "Complete · cut by the provider’s filter",
  tool_calls: "Complete · asks for a tool",
  refusal: "Complete · the model declined",
};

/** The badge's words. Without `seconds`, as a screen reader is told: no countdown. */
export function wordsOf(status: RunStatus, seconds?: number): string {
  switch (status.kind) {
    case "connecting":
      return "Connecting";
    case "queued":
      return status.position === null ? "Queued" : `Queued · position ${status.position}`;
    case "streaming":
      return "Streaming";
    case "retrying":
      return seconds === undefined || status.at === null ? "Trying again" : `Trying again · in ${seconds} s`;
    case "falling_back":
      return "Asking another model";
    case "reattaching":
      return seconds ? `Asking for the rest · in ${seconds} s` : "Asking for the rest";
    case "reconnecting": {
      const attempt = `Reconnecting · attempt ${Math.max(1, status.attempt)}`;
      return seconds === undefined || status.at === null ? attempt : `${attempt} · in ${seconds} s`;
    }
    case "complete":
      return REASONS[status.reason] ?? "Complete";
    case "stopped":
      return "Stopped";
    case "partial":
      return "Partial";
    case "failed":
      return "Failed";
  }
}
