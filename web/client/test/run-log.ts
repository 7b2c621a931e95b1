/** A run's log as the server sends it, and a client whose waits take no time. */

import { Headwater, type HeadwaterOptions, type ProtocolRecord } from "../src/index.ts";
import type { Answer, Asked, ScriptedServer } from "./scripted-server.ts";

export const RUN = "run_00000000000000000000000000000001";
export const OPENING = ": ok\n\nretry: 500\n\n";
export const REQUEST = { model: "simulated", messages: [{ role: "user" as const, content: "Hi" }] };

/** A run that says these texts, each in a record, and ends. */
export function logOf(...texts: string[]): ProtocolRecord[] {
  const chunks = texts.map((content, at) => ({
    seq: at + 1,
    t: at,
    type: "chunk" as const,
    data: { content, index: 0 },
  }));
  const seq = texts.length + 1;
  return [...chunks, { seq, t: seq, type: "complete", data: { finish_reason: "stop", usage: {} } }];
}

export function blocks(records: readonly ProtocolRecord[]): string {
  return records.map((record) => `id: ${record.seq}\ndata: ${JSON.stringify(record)}\n\n`).join("");
}

export function stream(body: string, end: Answer["end"] = "clean"): Answer {
  return { headers: { "Content-Type": "text/event-stream; charset=utf-8", "X-Run-Id": RUN }, body, end };
}

/** Records as NDJSON. */
export function lines(records: readonly ProtocolRecord[], end: Answer["end"] = "clean"): Answer {
  const body = records.map((record) => `${JSON.stringify(record)}\n`).join("");
  return { headers: { "Content-Type": "application/x-ndjson", "X-Run-Id": RUN }, body, end };
}

export function json(value: unknown, status = 200): Answer {
  return { status, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value), framing: "length" };
}

export function problem(status: number, code: string, retryable = false): Answer {
  return { ...json({ title: "T", detail: `Said ${code}.`, code, retryable }, status) };
}

/** The cursor that a request asks for. */
export function cursorOf(asked: Asked): number {
  return Number(new URLSearchParams(asked.path.split("?")[1]).get("after"));
}

/** A client of this server, and the waits that it would have made. */
export function impatient(server: ScriptedServer, options: HeadwaterOptions = {}): [Headwater, number[]] {
  const waitsMs: number[] = [];
  const sleep = async (ms: number): Promise<void> => {
    waitsMs.push(ms);
  };
  const timing = { sleep, ...options.timing };
  return [new Headwater({ baseUrl: server.url, random: () => 1, ...options, timing }), waitsMs];
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) {
    collected.push(item);
  }
  return collected;
}
