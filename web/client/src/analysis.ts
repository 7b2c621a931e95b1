/** One analysis of a task by a model, as callbacks: `GET /api/stream/analyze/{task_id}/{model_key}`. */

import { ClientError, ParseError } from "./errors.ts";
import type { CompleteData, ProtocolRecord, StatusData } from "./protocol.ts";
import { Headwater } from "./service.ts";
import type { FollowStatus, Subscription } from "./subscription.ts";

export interface AnalysisStreamParams {
  readonly taskId: string;
  /** May hold slashes. */
  readonly modelKey: string;
  readonly temperature?: number;
  readonly prompt?: string;
  readonly reasoningEffort?: string;
}

export interface AnalysisChunk {
  readonly type: "text" | "reasoning";
  readonly delta: string;
}

export interface AnalysisError {
  readonly code: string;
  readonly message: string;
}

/** What is called as the analysis goes on; `onComplete` or `onError` is the last, and none is called after `close`. */
export interface AnalysisStreamHandlers {
  /** Once the server has said which run it is. */
  readonly onInit?: (init: { readonly sessionId: string; readonly taskId: string; readonly modelKey: string }) => void;
  readonly onStatus?: (status: StatusData) => void;
  readonly onChunk?: (chunk: AnalysisChunk) => void;
  /**
   * Some of the structured answer became known: its place (RFC 6901), whether nothing more comes there, and whether it
   * is put behind what is there (`delta`) in place of taking its place. `fold` makes the value of them.
   */
  readonly onField?: (path: string, value: unknown, done: boolean, delta: boolean) => void;
  readonly onComplete?: (summary: CompleteData) => void;
  readonly onError?: (error: AnalysisError) => void;
  /** What the connection does: it comes back by itself. */
  readonly onConnection?: (status: FollowStatus) => void;
}

export interface AnalysisStream {
  /** Leaves the analysis alone. */
  close(): void;
  /** Asks the server to stop it. */
  cancel(): Promise<void>;
}

/**
 * Starts an analysis, or joins the one that goes on with the same parameters.
 *
 * It comes back over connections that break, each piece once and in order. `headwater` is where: the page's own server,
 * if nothing else is said.
 */
export function createAnalysisStream(
  params: AnalysisStreamParams,
  handlers: AnalysisStreamHandlers = {},
  headwater: Headwater = new Headwater(),
): AnalysisStream {
  const { taskId, modelKey, temperature, prompt, reasoningEffort } = params;
  const model = modelKey.split("/").map(encodeURIComponent).join("/");
  const path = `/api/stream/analyze/${encodeURIComponent(taskId)}/${model}`;
  const query = Object.entries({ temperature, prompt, reasoning_effort: reasoningEffort });
  const given = Object.fromEntries(query.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  const onStatus = handlers.onConnection;
  const call = { method: "GET", path, query: given };
  const subscription = headwater.openAndFollow(call, onStatus === undefined ? {} : { onStatus });
  const open = { closed: false };
  void told(subscription, params, handlers, open);
  return {
    close: () => {
      open.closed = true;
      subscription.close();
    },
    cancel: async () => {
      await subscription.cancel();
    },
  };
}

async function told(
  subscription: Subscription,
  { taskId, modelKey }: AnalysisStreamParams,
  handlers: AnalysisStreamHandlers,
  open: { readonly closed: boolean },
): Promise<void> {
  let known = false;
  try {
    for await (const record of subscription) {
      if (!known && subscription.run !== null) {
        known = true;
        handlers.onInit?.({ sessionId: subscription.run, taskId, modelKey });
      }
      // What was told before may have been the reason to close.
      if (!open.closed) {
        tell(record, handlers);
      }
    }
  } catch (error) {
    const failure = error instanceof ClientError ? error : new ParseError(String(error), { cause: error });
    if (!open.closed) {
      handlers.onError?.({ code: failure.code, message: failure.message });
    }
  }
}

function tell(record: ProtocolRecord, handlers: AnalysisStreamHandlers): void {
  switch (record.type) {
    case "status":
      return handlers.onStatus?.(record.data);
    case "chunk":
      return handlers.onChunk?.({ type: "text", delta: record.data.content });
    case "reasoning":
      return handlers.onChunk?.({ type: "reasoning", delta: record.data.content });
    case "field":
      return handlers.onField?.(record.data.path, record.data.value, record.data.done, record.data.delta ?? false);
    case "complete":
      return handlers.onComplete?.(record.data);
    case "cancelled":
      return handlers.onError?.({ code: "CANCELLED", message: "The analysis was stopped" });
    case "error":
      return handlers.onError?.({ code: record.data.code, message: record.data.message });
    default:
  }
}
