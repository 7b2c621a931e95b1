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
const COUNT = new Intl.NumberFormat("en");
const OUTPUT = new Set(["chunk", "reasoning", "refusal", "tool_call"]);

export const tokensWords = (tokens: number): string => `${COUNT.format(tokens)} ${tokens === 1 ? "token" : "tokens"}`;

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

/** Bytes of all that models have put out, in internal calls too: they are paid for as well. */
export function outputBytes({ parts, tool_calls: calls }: Snapshot): number {
  const all = [...parts.map((part) => part.text), ...calls.map((call) => call.arguments)];
  return all.reduce((sum, of) => sum + utf8Bytes(of), 0);
}

/** Of all `bytes` that came, providers have not yet reported those that are `unreported`. */
function count(usage: Usage | null, bytes: number, unreported = 0): { tokens: number; estimated: boolean } {
  if (usage?.source !== "provider") return { tokens: Math.ceil(bytes / BYTES_PER_TOKEN), estimated: true };
  return { tokens: (usage.output_tokens ?? 0) + Math.ceil(unreported / BYTES_PER_TOKEN), estimated: unreported > 0 };
}

export class Meter {
  #bytes = 0;
  /** Bytes of each call since its provider last said how many tokens there were. */
  readonly #unreported = new Map<number, number>();
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
    if (record.type === "usage") this.#unreported.delete(record.data.call ?? 1);
    if (record.type === "complete") this.#unreported.clear();
    if (!OUTPUT.has(record.type)) return;
    this.#firstMs ??= record.t;
    const { data } = record as { data: { content?: string; arguments?: string; call?: number | null } };
    const bytes = utf8Bytes(data.content ?? data.arguments ?? "");
    const call = data.call ?? 1;
    this.#bytes += bytes;
    this.#unreported.set(call, (this.#unreported.get(call) ?? 0) + bytes);
  }

  figures(usage: Usage | null): Figures {
    const unreported = [...this.#unreported.values()].reduce((sum, bytes) => sum + bytes, 0);
    const counted = count(usage, this.#bytes, unreported);
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
