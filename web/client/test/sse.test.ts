/** The decoder beside its cases: its limits on what comes in many pieces, and what a fault leaves. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { type Frame, ParseError, readFrames, SseDecoder } from "../src/index.ts";
import { StreamReader } from "../src/reader.ts";

test("a large event in small pieces is one frame", () => {
  const text = "é🌊x".repeat(50_000);
  const body = Buffer.from(`data: ${text}\n\n`);
  const decoder = new SseDecoder();
  const frames: Frame[] = [];
  for (let at = 0; at < body.length; at += 7) {
    frames.push(...decoder.feed(body.subarray(at, at + 7)));
  }
  assert.deepEqual(frames, [{ data: text, event: "", id: null }]);
});

test("a fault stays", () => {
  const decoder = new SseDecoder({ lineCharsMax: 10 });
  assert.equal(decoder.feed(Buffer.from("data: a\n\n")).length, 1);
  assert.throws(() => decoder.feed(Buffer.from("data: 1234567")), ParseError);
  assert.ok(decoder.fault);
  assert.throws(() => decoder.feed(Buffer.from("data: b\n\n")), ParseError);
  assert.throws(() => decoder.end(), ParseError);
});

test("a line's limit holds over pieces", () => {
  const decoder = new SseDecoder({ lineCharsMax: 10 });
  decoder.feed(Buffer.from("data: 1234"));
  assert.throws(() => decoder.feed(Buffer.from("5")), ParseError);
});

test("the frames of a response, one by one", async () => {
  const headers = { "Content-Type": "Text/Event-Stream;charset=utf-8" };
  const frames: Frame[] = [];
  for await (const frame of readFrames(new Response("data: a\n\nevent: e\ndata: b\n\n", { headers }))) {
    frames.push(frame);
  }
  assert.deepEqual(
    frames.map(({ data, event }) => [data, event]),
    [
      ["a", ""],
      ["b", "e"],
    ],
  );
});

test("comments are told in their place, and the last id with a block that has no data", async () => {
  const body = ": one\ndata: a\n\n:two\nid: 7\n\ndata: b\n\n:three\n";
  const comments: [string, number][] = [];
  const reader = new StreamReader(new Response(body, { headers: { "Content-Type": "text/event-stream" } }), {
    onComment: (text, before) => comments.push([text, before]),
  });
  const batches: Frame[][] = [];
  for await (const frames of reader.frames()) {
    batches.push(frames);
  }
  assert.deepEqual(
    batches.map((frames) => frames.map(({ data }) => data)),
    [["a", "b"]],
  );
  assert.deepEqual(comments, [
    [" one", 0],
    ["two", 1],
    ["three", 2],
  ]);
  assert.equal(reader.lastEventId, "7");
});

test("a body that is not read on is cancelled", async () => {
  const cancelled = Promise.withResolvers<void>();
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(Buffer.from("data: a\n\n")),
    cancel: () => cancelled.resolve(),
  });
  for await (const frame of readFrames(new Response(body, { headers: { "Content-Type": "text/event-stream" } }))) {
    assert.equal(frame.data, "a");
    break;
  }
  await cancelled.promise;
});

test("what is no event stream is refused", async () => {
  const headers = { "Content-Type": "text/event-stream" };
  for (const response of [new Response("data: a\n\n"), new Response(null, { headers })]) {
    await assert.rejects(readFrames(response).next(), ParseError);
  }
});
