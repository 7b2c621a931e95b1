/** One analysis of a task by a model, as callbacks: `GET /api/stream/analyze/{task_id}/{model_key}`. */

import { ClientError, isTheLinks, ParseError } from "./errors.ts";
import type { Call } from "./http.ts";
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
  /** Streams do not get through, for this reason; what is left is read with `fallback`. */
  readonly onFallback?: (reason: AnalysisError) => void;
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
 * if nothing else is said. `fallback` reads on where that one has given up, for which it needs a `followRetry` with an
 * end: one without streams (`pagesFetch`), usually.
 */
export function createAnalysisStream(
  params: AnalysisStreamParams,
  handlers: AnalysisStreamHandlers = {},
  headwater: Headwater = new Headwater(),
  fallback?: Headwater,
): AnalysisStream {
  const link = handlers.onConnection === undefined ? {} : { onStatus: handlers.onConnection };
  const open = { closed: false, known: false };
  let subscription = headwater.openAndFollow(callOf(params), link);
  const read = async (): Promise<void> => {
    let error = await told(subscription, params, handlers, open);
    const { run, cursor } = subscription;
    if (!open.closed && fallback !== undefined && run !== null && isTheLinks(error)) {
      handlers.onFallback?.(reasonOf(error));
      // What was told may have been the reason to close.
      if (open.closed) {
        return;
      }
      subscription = fallback.follow(run, { after: cursor, ...link });
      error = await told(subscription, params, handlers, open);
    }
    if (!open.closed && error !== null) {
      handlers.onError?.(reasonOf(error));
    }
  };
  void read();
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

function callOf({ taskId, modelKey, temperature, prompt, reasoningEffort }: AnalysisStreamParams): Call {
  const model = modelKey.split("/").map(encodeURIComponent).join("/");
  const query = Object.entries({ temperature, prompt, reasoning_effort: reasoningEffort });
  return {
    method: "GET",
    path: `/api/stream/analyze/${encodeURIComponent(taskId)}/${model}`,
    query: Object.fromEntries(query.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
  };
}

function reasonOf(error: unknown): AnalysisError {
  const { code, message } = error instanceof ClientError ? error : new ParseError(String(error), { cause: error });
  return { code, message };
}

/** What ended the reading before its time; null for nothing. */
async function told(
  subscription: Subscription,
  { taskId, modelKey }: AnalysisStreamParams,
  handlers: AnalysisStreamHandlers,
  open: { readonly closed: boolean; known: boolean },
): Promise<unknown> {
  try {
    for await (const record of subscription) {
      if (!open.known && subscription.run !== null) {
        open.known = true;
        handlers.onInit?.({ sessionId: subscription.run, taskId, modelKey });
      }
      if (!open.closed) {
        tell(record, handlers);
      }
    }
    return null;
  } catch (error) {
    return error;
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
