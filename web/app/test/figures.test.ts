import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolRecord, RunResource } from "@headwater/client";
import { emptySnapshot, fold } from "@headwater/client/fold";
import { figuresOf, Meter, tokensWords, utf8Bytes } from "../src/chat/figures.ts";

const chunk = (seq: number, t: number, content: string): ProtocolRecord => ({
  seq,
  t,
  type: "chunk",
  data: { content, index: 0 },
});

test("bytes are those of UTF-8", () => {
  for (const text of ["", "abc", "äöü", "€", "😀", "a😀é€"]) {
    assert.equal(utf8Bytes(text), new TextEncoder().encode(text).length, text);
  }
});

test("one token is no tokens", () => {
  assert.deepEqual([0, 1, 1234].map(tokensWords), ["0 tokens", "1 token", "1,234 tokens"]);
});

test("before the provider reports, four bytes are a token", () => {
  const meter = new Meter();
  meter.take({ seq: 1, t: 5, type: "status", data: { state: "streaming" } });
  assert.deepEqual([meter.figures(null).tokens, meter.figures(null).firstTokenMs], [0, null]);
  meter.take(chunk(2, 100, "Hello"));
  meter.take(chunk(3, 1100, "x".repeat(40)));
  assert.deepEqual(meter.figures(null), {
    tokens: 12,
    estimated: true,
    firstTokenMs: 100,
    tokensPerS: 12,
    elapsedMs: 1100,
    costUsd: null,
  });
});

test("what the provider reports counts", () => {
  const meter = new Meter();
  meter.take(chunk(1, 100, "Hello"));
  meter.take({ seq: 2, t: 110, type: "usage", data: { output_tokens: 7 } });
  const figures = meter.figures({ output_tokens: 7, cost_usd: 0.5, source: "provider" });
  assert.deepEqual([figures.tokens, figures.estimated, figures.costUsd], [7, false, 0.5]);
});

test("what came since a provider reported is estimated, by call, until the end", () => {
  const meter = new Meter();
  const usage = { output_tokens: 1, source: "provider" } as const;
  const counted = () => {
    const { tokens, estimated } = meter.figures(usage);
    return [tokens, estimated];
  };
  meter.take({ seq: 1, t: 10, type: "chunk", data: { content: "{}", index: 0, call: 2 } });
  meter.take({ seq: 2, t: 20, type: "usage", data: { call: 2, ...usage } });
  assert.deepEqual(counted(), [1, false]);
  meter.take(chunk(3, 30, "x".repeat(40)));
  assert.deepEqual(counted(), [11, true]);
  meter.take({ seq: 4, t: 40, type: "usage", data: { call: 2, ...usage } });
  assert.deepEqual(counted(), [11, true]);
  meter.take({ seq: 5, t: 50, type: "complete", data: { finish_reason: "stop", usage } });
  assert.deepEqual(counted(), [1, false]);
});

test("internal calls count, live and when the run is looked at again", () => {
  const meter = new Meter();
  let snapshot = emptySnapshot();
  const records: ProtocolRecord[] = [
    { seq: 1, t: 1, type: "call", data: { call: 1, role: "internal", provider: "a", model: "a" } },
    chunk(2, 100, "x".repeat(40)),
  ];
  for (const record of records) {
    meter.take(record);
    snapshot = fold(snapshot, record);
  }
  assert.equal(meter.figures(null).tokens, 10);
  assert.equal(figuresOf({ snapshot, metrics: null, ended_at: null } as unknown as RunResource).tokens, 10);
});

test("behind a snapshot the first token's time is not known", () => {
  const meter = new Meter();
  const part = { index: 0, kind: "text", text: "x".repeat(399) } as const;
  meter.skip({ ...emptySnapshot(), parts: [part, { index: 0, kind: "reasoning", text: "x" }] });
  meter.take(chunk(9, 5000, "a"));
  meter.take(chunk(10, 9000, "b"));
  assert.deepEqual([meter.figures(null).tokens, meter.figures(null).firstTokenMs], [101, null]);
  assert.equal(meter.figures(null).tokensPerS, null);
});

test("an estimate stays what it was at the end, and when the run is looked at again", () => {
  const meter = new Meter();
  let snapshot = emptySnapshot();
  const records: ProtocolRecord[] = [
    { seq: 1, t: 90, type: "reasoning", data: { content: "Hm.", index: 0 } },
    chunk(2, 100, "Hello"),
    chunk(3, 1090, "wörld"),
  ];
  for (const record of records) {
    meter.take(record);
    snapshot = fold(snapshot, record);
  }
  const live = meter.figures(null);
  const usage = { output_tokens: 2, source: "estimated" } as const;
  assert.deepEqual([live.tokens, live.estimated], [4, true]);
  assert.deepEqual(meter.figures(usage), live);
  const metrics = { tokens_per_s: 2, first_token_ms: 90, duration_ms: 1090 };
  const run = { snapshot: { ...snapshot, usage }, metrics, ended_at: null } as unknown as RunResource;
  assert.deepEqual(figuresOf(run), live);
});
