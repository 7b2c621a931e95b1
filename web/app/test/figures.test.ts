import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolRecord } from "@headwater/client";
import { Meter, utf8Bytes } from "../src/chat/figures.ts";

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

test("before the provider reports, a short piece is one token and a long one is estimated", () => {
  const meter = new Meter();
  meter.take({ seq: 1, t: 5, type: "status", data: { state: "streaming" } });
  assert.deepEqual([meter.figures(null).tokens, meter.figures(null).firstTokenMs], [0, null]);
  meter.take(chunk(2, 100, "Hello"));
  meter.take(chunk(3, 1100, "x".repeat(40)));
  assert.deepEqual(meter.figures(null), {
    tokens: 11,
    estimated: true,
    firstTokenMs: 100,
    tokensPerS: 11,
    elapsedMs: 1100,
    costUsd: null,
  });
});

test("what the provider reports counts", () => {
  const meter = new Meter();
  meter.take(chunk(1, 100, "Hello"));
  const figures = meter.figures({ output_tokens: 7, cost_usd: 0.5, source: "provider" });
  assert.deepEqual([figures.tokens, figures.estimated, figures.costUsd], [7, false, 0.5]);
});

test("behind a snapshot the first token's time is not known", () => {
  const meter = new Meter();
  meter.skip("x".repeat(400));
  meter.take(chunk(9, 5000, "a"));
  meter.take(chunk(10, 9000, "b"));
  assert.deepEqual([meter.figures(null).tokens, meter.figures(null).firstTokenMs], [102, null]);
  assert.equal(meter.figures(null).tokensPerS, null);
});
