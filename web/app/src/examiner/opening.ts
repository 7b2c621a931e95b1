/** How an analysis begins: with a stream, which says which run it is, or as a whole. */

import { Headwater, ParseError, ServerError } from "@headwater/client";
import { type AnalysisError, authFetch, createAnalysisStream } from "@headwater/client/compat";

export interface AnalysisRequest {
  readonly task: string;
  readonly model: string;
}

/** Why a stream could not be had. `message` is fit to show. */
export class NoStream extends Error {
  override readonly name = "NoStream";
  readonly code: string;

  constructor({ code, message }: AnalysisError) {
    super(message);
    this.code = code;
  }
}

// A stream that says nothing for 10 s (2.5 times this) is held back by something in between.
const TRIES = { triesMax: 2 };
const OPENING = { callRetry: TRIES, followRetry: TRIES, timing: { heartbeatMs: 4000 } };
// Models that think do so for minutes.
const WHOLE_MS = 15 * 60_000;
const CODES_WITHOUT_STREAM = new Set(["DISABLED", "NETWORK", "TIMEOUT", "PARSE", "MAX_RETRIES_EXCEEDED"]);

/** Whether the same may be had without a stream: it is switched off, or can not come through. */
export function takesNoStream(error: unknown): boolean {
  return error instanceof NoStream && CODES_WITHOUT_STREAM.has(error.code);
}

/**
 * Starts an analysis, or joins the one that goes on with the same parameters: the id of its run, as soon as the server
 * has said it. Its records are then read as those of any run. Throws `NoStream`.
 */
export function openStream({ task, model }: AnalysisRequest, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = createAnalysisStream(
      { taskId: task, modelKey: model },
      {
        onInit: ({ sessionId }) => {
          stream.close();
          resolve(sessionId);
        },
        onError: (error) => reject(new NoStream(error)),
      },
      new Headwater(OPENING),
    );
    signal.addEventListener("abort", () => {
      stream.close();
      reject(signal.reason);
    });
  });
}

/** Has the whole of an analysis made without a stream: the id of its run, once that has ended. Throws `ClientError`. */
export async function analyseWhole({ task, model }: AnalysisRequest, signal: AbortSignal): Promise<string> {
  const name = model.split("/").map(encodeURIComponent).join("/");
  const path = `/api/analyze/${encodeURIComponent(task)}/${name}`;
  const headers = { "Content-Type": "application/json" };
  const response = await authFetch(path, { method: "POST", headers, body: "{}", signal }, { timeout: WHOLE_MS });
  const answer: unknown = await response.json().catch(() => null);
  const told = typeof answer === "object" && answer !== null ? (answer as Readonly<Record<string, unknown>>) : {};
  if (!response.ok) throw new ServerError(response.status, told);
  if (typeof told.run !== "string") throw new ParseError("The server did not say which run it made");
  return told.run;
}
