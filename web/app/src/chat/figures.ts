/** What a run has cost in tokens, time and money so far. */

import type { ProtocolRecord, RunResource, Usage } from "@headwater/client";

export interface Figures {
  readonly tokens: number;
  readonly estimated: boolean;
  readonly firstTokenMs: number | null;
  readonly tokensPerS: number | null;
  readonly elapsedMs: number | null;
  readonly costUsd: number | null;
}

// The server's own rule where a provider reports no count (PROTOCOL, "Events").
const BYTES_PER_TOKEN = 4;
// Providers send a token at a time, or several at once; a piece of up to so many bytes is taken for one.
const PIECE_BYTES_MAX = 16;
// A rate over a shorter time than this says nothing.
const RATE_MS_MIN = 200;
const OUTPUT = new Set(["chunk", "reasoning", "refusal", "tool_call"]);

export function tokensOf(piece: string): number {
  const bytes = utf8Bytes(piece);
  return bytes <= PIECE_BYTES_MAX ? Math.min(bytes, 1) : Math.ceil(bytes / BYTES_PER_TOKEN);
}

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

export class Meter {
  #tokens = 0;
  #firstMs: number | null = null;
  #lastMs: number | null = null;
  #complete = true;

  /** Goes on from a snapshot, where the records before it are not read. Their times are then not known. */
  skip(text: string): void {
    this.#tokens = tokensOf(text);
    this.#complete = false;
  }

  take(record: ProtocolRecord): void {
    this.#lastMs = record.t;
    if (!OUTPUT.has(record.type)) return;
    this.#firstMs ??= record.t;
    const { data } = record as { data: { content?: string; arguments?: string } };
    this.#tokens += tokensOf(data.content ?? data.arguments ?? "");
  }

  figures(usage: Usage | null): Figures {
    const tokens = usage?.output_tokens ?? this.#tokens;
    const span = this.#complete && this.#firstMs !== null && this.#lastMs !== null ? this.#lastMs - this.#firstMs : 0;
    return {
      tokens,
      estimated: usage?.source !== "provider",
      firstTokenMs: this.#complete ? this.#firstMs : null,
      tokensPerS: span >= RATE_MS_MIN ? (tokens * 1000) / span : null,
      elapsedMs: this.#lastMs,
      costUsd: usage?.cost_usd ?? null,
    };
  }
}

/** The figures of a run that had ended before the page came. */
export function figuresOf(run: RunResource): Figures {
  const { usage, text, reasoning } = run.snapshot;
  const { metrics } = run;
  const lived = run.ended_at === null ? null : Date.parse(run.ended_at) - Date.parse(run.created_at);
  return {
    tokens: usage?.output_tokens ?? tokensOf(text + reasoning),
    estimated: usage?.source !== "provider",
    firstTokenMs: metrics?.first_token_ms ?? null,
    tokensPerS: metrics?.tokens_per_s ?? null,
    elapsedMs: metrics?.duration_ms ?? lived,
    costUsd: usage?.cost_usd ?? null,
  };
}
