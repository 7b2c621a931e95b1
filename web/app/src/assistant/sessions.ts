/** Conversations as the server keeps them: `/api/conversation/{user_id}`. */

import { type Headwater, ParseError, type RunResource } from "@headwater/client";
import { read } from "../arc/puzzles.ts";

/** Whose conversations these are: the page knows no other person than its reader. */
export const USER = "local";
const BASE = `/api/conversation/${USER}`;
const TURNS = 100;
const SESSIONS = 12;

/** What is known of what the person wants. */
export interface Context {
  readonly intent?: string | null;
  readonly entities?: Readonly<Record<string, unknown>>;
}

export type Vote = "up" | "down";

export interface Turn {
  readonly run: string;
  readonly message: string;
  readonly answer: string;
  readonly state: "running" | "complete" | "partial" | "failed";
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly context: Context | null;
  readonly suggestions: readonly string[];
  readonly vote: Vote | null;
  readonly created_at: string;
}

export interface Session {
  readonly session_id: string;
  readonly title: string;
  readonly created_at: string;
  readonly context: Context | null;
  /** In the order in which they were said. */
  readonly turns: readonly Turn[];
  /** What those before them are asked for with; null where these are all. */
  readonly next: string | null;
}

export interface SessionSummary {
  readonly session_id: string;
  readonly title: string;
  readonly created_at: string;
}

export interface SessionPage {
  readonly sessions: readonly SessionSummary[];
  readonly next: string | null;
}

/** One message on its way. */
export interface Question {
  readonly message: string;
  readonly session: string | null;
  /** Null leaves the choice to the server. */
  readonly model: string | null;
  /** However often it is asked with one key, one run comes of it. */
  readonly idempotencyKey: string;
}

/** What came of it: the run that answers, and the session that it belongs to. */
export interface Begun {
  readonly run: string;
  readonly session: string;
}

export function readSession(client: Headwater, id: string, signal: AbortSignal): Promise<Session> {
  return read(client, `${BASE}/sessions/${encodeURIComponent(id)}`, { limit: TURNS }, signal);
}

export function readSessions(client: Headwater, signal: AbortSignal): Promise<SessionPage> {
  return read(client, `${BASE}/sessions`, { limit: SESSIONS }, signal);
}

export async function vote(client: Headwater, run: string, given: Vote | "none"): Promise<void> {
  const body = JSON.stringify({ run, vote: given });
  await client.parts.http.call({ method: "POST", path: `${BASE}/feedback`, body });
}

/** What a plain answer is waited for: the server's own limit is far below. */
const WHOLE_MS = 600_000;

/**
 * Asks. With `streaming` it returns when the answer has begun, which is then read as any run is; without when the
 * answer is whole. One key is one run, whichever way it is asked for.
 */
export async function begin(
  client: Headwater,
  question: Question,
  streaming: boolean,
  signal: AbortSignal,
): Promise<Begun> {
  const { message, session, model, idempotencyKey } = question;
  const asked = { message, session_id: session ?? undefined, model: model ?? undefined };
  const call = { method: "POST", body: JSON.stringify(asked), headers: { "Idempotency-Key": idempotencyKey } };
  const { http, timing } = client.parts;
  const response = streaming
    ? await http.open({ ...call, path: `/api/conversation-stream/${USER}` }, 2.5 * timing.heartbeatMs, signal)
    : await http.open(
        { ...call, path: BASE, headers: { ...call.headers, Accept: "application/json" } },
        WHOLE_MS,
        signal,
      );
  // The run goes on without this reader, and is read where a broken connection can be gone on from.
  await (streaming ? response.body?.cancel() : response.text());
  const run = response.headers.get("X-Run-Id");
  const begun = response.headers.get("X-Session-Id");
  if (run === null || begun === null) throw new ParseError("The server did not say which run answers");
  return { run, session: begun };
}

/** The session that a run belongs to: the one that it goes on with, or the one that it began, which has its name. */
export function sessionOf(run: RunResource | null): string | null {
  if (run === null) return null;
  const { session_id: session } = (run.request.input ?? {}) as { session_id?: unknown };
  return typeof session === "string" ? session : run.id.replace(/^run_/, "ses_");
}

/** The run of the newest answer: the session's, or one that the address names and the session does not have yet. */
export function newestRun(session: Session | null, named: string | null): string | null {
  const runs = session?.turns.map(({ run }) => run) ?? [];
  return named !== null && !runs.includes(named) ? named : (runs.at(-1) ?? null);
}
