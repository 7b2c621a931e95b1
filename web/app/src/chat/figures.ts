/** What a run has cost in tokens, time and money so far. */

import type { ProtocolRecord, RunResource, Snapshot, Usage } from "@headwater/client";

export interface Figures {
  readonly tokens: number;
  readonly estimated: boolean;
  readonly firstTokenMs: number | null;
  readonly tokensPerS: number | null;
  readonly elapsedMs: number | null;
  readonly costUsd: number | null;
}

// The protocol's rule where a provider reports no count ("Events"). It holds from the first piece to the end, and for
// what a server guessed by another: a number that jumps when nothing comes any more would say that something had.
const BYTES_PER_TOKEN = 4;
// A rate over a shorter time than this says nothing.
const RATE_MS_MIN = 200;
const OUTPUT = new Set(["chunk", "reasoning", "refusal", "tool_call"]);

/** Bytes of UTF-8, without making them. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // Each half of a surrogate pair counts two of its four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

/** Bytes of all that a model has put out. */
export function outputBytes({ text, reasoning, refusal, tool_calls: calls }: Snapshot): number {
  return [text, reasoning, refusal, ...calls.map((call) => call.arguments)].reduce((sum, of) => sum + utf8Bytes(of), 0);
}

function count(usage: Usage | null, bytes: number): { tokens: number; estimated: boolean } {
  if (usage?.source === "provider") return { tokens: usage.output_tokens ?? 0, estimated: false };
  return { tokens: Math.ceil(bytes / BYTES_PER_TOKEN), estimated: true };
}

export class Meter {
  #bytes = 0;
  #firstMs: number | null = null;
  #lastMs: number | null = null;
  #complete = true;

  /** Goes on from a snapshot, where the records before it are not read. Their times are then not known. */
  skip(snapshot: Snapshot): void {
    this.#bytes = outputBytes(snapshot);
    this.#complete = false;
  }

  take(record: ProtocolRecord): void {
    this.#lastMs = record.t;
    if (!OUTPUT.has(record.type)) return;
    this.#firstMs ??= record.t;
    const { data } = record as { data: { content?: string; arguments?: string } };
    this.#bytes += utf8Bytes(data.content ?? data.arguments ?? "");
  }

  figures(usage: Usage | null): Figures {
    const counted = count(usage, this.#bytes);
    const span = this.#complete && this.#firstMs !== null && this.#lastMs !== null ? this.#lastMs - this.#firstMs : 0;
    return {
      ...counted,
      firstTokenMs: this.#complete ? this.#firstMs : null,
      tokensPerS: span >= RATE_MS_MIN ? (counted.tokens * 1000) / span : null,
      elapsedMs: this.#lastMs,
      costUsd: usage?.cost_usd ?? null,
    };
  }
}

/** The figures of a run that had ended before the page came. */
export function figuresOf(run: RunResource): Figures {
  const { usage } = run.snapshot;
  const { metrics } = run;
  const counted = count(usage, outputBytes(run.snapshot));
  const lived = run.ended_at === null ? null : Date.parse(run.ended_at) - Date.parse(run.created_at);
  // The server's rate is of its own count.
  const share = usage?.output_tokens ? counted.tokens / usage.output_tokens : 1;
  return {
    ...counted,
    firstTokenMs: metrics?.first_token_ms ?? null,
    tokensPerS: metrics?.tokens_per_s == null ? null : metrics.tokens_per_s * share,
    elapsedMs: metrics?.duration_ms ?? lived,
    costUsd: usage?.cost_usd ?? null,
  };
}
