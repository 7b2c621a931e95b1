import assert from "node:assert/strict";
import { test } from "node:test";

import { type ChatTransportOptions, HeadwaterChatTransport } from "../src/ai-sdk.ts";
import type { KeyValueStorage } from "../src/cursor-store.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const RUN = `run_${"0a".repeat(16)}`;
const PARTS = ["start", "text-start", "text-delta", "text-end", "finish"].map((type, id) => ({ type, id }));
const ASKED = { chatId: "a/b", messages: [{ role: "user" }], trigger: "submit-message" };

/** The first parts of the answer, with the client's end of it where these are all. */
function streamed(count: number, more: Partial<Answer> = {}): Answer {
  const blocks = PARTS.slice(0, count).map((part) => `data: ${JSON.stringify(part)}\n\n`);
  const done = count === PARTS.length ? "data: [DONE]\n\n" : "";
  const headers = { "Content-Type": "text/event-stream", "X-Run-Id": RUN };
  return { headers, body: `: heartbeat\n\n${blocks.join("")}${done}`, ...more };
}

function refused(status: number, code: string, body: string): Answer {
  return { status, headers: { "Headwater-Error": code, "Content-Type": "text/plain" }, body, framing: "length" };
}

class Kept implements KeyValueStorage {
  readonly items = new Map<string, string>();
  getItem = (key: string): string | null => this.items.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.items.set(key, value);
  removeItem = (key: string): void => void this.items.delete(key);
}

/** A server that gives these answers, one to a request, and a transport that calls it. */
async function stage(
  answers: readonly Answer[],
  options: ChatTransportOptions = {},
): Promise<{ server: ScriptedServer; transport: HeadwaterChatTransport; storage: Kept }> {
  const server = new ScriptedServer((asked: Asked) => answers[asked.number - 1] ?? { status: 500 });
  await server.listen();
  const storage = new Kept();
  const retry = { baseMs: 1, capMs: 5, triesMax: 3 };
  const transport = new HeadwaterChatTransport({ api: `${server.url}/api/chat`, retry, storage, ...options });
  return { server, transport, storage };
}

async function all(stream: ReadableStream<unknown> | null): Promise<unknown[]> {
  assert.ok(stream !== null);
  const parts: unknown[] = [];
  for await (const part of stream) {
    parts.push(part);
  }
  return parts;
}

function paths(server: ScriptedServer): string[] {
  return server.asked.map(({ method, path }) => `${method} ${path}`);
}

test("an answer is asked for as the AI SDK does, and remembered until its end", async () => {
  const { server, transport, storage } = await stage([streamed(5)], {
    body: () => ({ model: "m", id: "no" }),
    headers: { "X-Key": "k" },
  });
  await using _ = server;
  const stream = await transport.sendMessages({ ...ASKED, messageId: "u1", body: { system: "s" } });
  assert.deepEqual(await all(stream), PARTS);
  assert.deepEqual(JSON.parse(server.asked[0]?.body ?? ""), {
    model: "m",
    system: "s",
    id: "a/b",
    messages: ASKED.messages,
    trigger: "submit-message",
    messageId: "u1",
  });
  assert.equal(server.asked[0]?.headers["x-key"], "k");
  assert.equal(storage.items.size, 0);
});

for (const end of ["cut", "reset", "clean"] as const) {
  test(`an answer that ends too early (${end}) goes on where it was`, async () => {
    const { server, transport } = await stage([
      streamed(2, { end }),
      streamed(1, { end }),
      streamed(4, { end }),
      { lost: true },
      streamed(5),
    ]);
    await using _ = server;
    assert.deepEqual(await all(await transport.sendMessages(ASKED)), PARTS);
    assert.deepEqual(paths(server), [
      "POST /api/chat",
      ...Array.from({ length: 4 }, () => `GET /api/chat/a%2Fb/stream?steps=own&run=${RUN}`),
    ]);
  });
}

test("a connection that says nothing any more counts as dead", async () => {
  const { server, transport } = await stage([streamed(2, { end: "open" }), streamed(5)], { silenceMs: 50 });
  await using _ = server;
  assert.deepEqual(await all(await transport.sendMessages(ASKED)), PARTS);
});

test("a repeat of the question has the same key", async () => {
  const { server, transport } = await stage([{ lost: true }, refused(503, "DRAINING", "Wait."), streamed(5)]);
  await using _ = server;
  assert.deepEqual(await all(await transport.sendMessages(ASKED)), PARTS);
  const keys = new Set(server.asked.map((asked) => asked.headers["idempotency-key"]));
  assert.equal(keys.size, 1);
  assert.equal(server.asked.length, 3);
});

test("what the server refuses is told in its words", async () => {
  const { server, transport } = await stage([refused(400, "BAD_REQUEST", "Say which model.")]);
  await using _ = server;
  const wanted = { name: "ServerError", message: "Say which model.", status: 400 };
  await assert.rejects(transport.sendMessages(ASKED), wanted);
  assert.equal(server.asked.length, 1);
});

test("who gives up says that it is a disconnect", async () => {
  const { server, transport, storage } = await stage([streamed(2, { end: "cut" }), ...Array(3).fill({ lost: true })]);
  await using _ = server;
  const stream = await transport.sendMessages(ASKED);
  await assert.rejects(all(stream), { name: "TypeError", message: "network error" });
  assert.equal(storage.getItem("headwater.chat.a/b"), RUN);
});

test("a page that was reloaded gets the answer whose end it has not seen", async () => {
  const { server, transport, storage } = await stage([streamed(5)]);
  await using _ = server;
  storage.setItem("headwater.chat.a/b", RUN);
  assert.deepEqual(await all(await transport.reconnectToStream(ASKED)), PARTS);
  assert.deepEqual(paths(server), [`GET /api/chat/a%2Fb/stream?steps=all&run=${RUN}`]);
  assert.equal(storage.items.size, 0);
});

test("an answer that is gone is forgotten, and what is under way is asked for", async () => {
  const nothing: Answer = { status: 204, framing: "length" };
  const { server, transport, storage } = await stage([refused(404, "NOT_FOUND", "There is no such run."), nothing]);
  await using _ = server;
  storage.setItem("headwater.chat.a/b", RUN);
  assert.equal(await transport.reconnectToStream(ASKED), null);
  assert.deepEqual(paths(server).at(-1), "GET /api/chat/a%2Fb/stream?steps=all");
  assert.equal(storage.items.size, 0);
});

test("leaving ends the reading, and stops nothing", async () => {
  const { server, transport } = await stage([streamed(2, { end: "open" })]);
  await using _ = server;
  const leaving = new AbortController();
  const stream = await transport.sendMessages({ ...ASKED, abortSignal: leaving.signal });
  const reader = stream.getReader();
  await reader.read();
  await reader.read();
  const last = reader.read();
  leaving.abort();
  await assert.rejects(last, { name: "AbortError" });
  assert.deepEqual(paths(server), ["POST /api/chat"]);
});

test("a stream that nobody reads any more is let go", async () => {
  const { server, transport } = await stage([streamed(2, { end: "open" })]);
  await using _ = server;
  const stream = await transport.sendMessages(ASKED);
  // More has been read than was asked for, and nothing is being waited for.
  const reader = stream.getReader();
  await reader.read();
  assert.equal(server.connections, 1);
  await reader.cancel();
  while (server.connections > 0) {
    await new Promise(setImmediate);
  }
  assert.deepEqual(paths(server), ["POST /api/chat"]);
});

test("stop is asked of the server until it has heard", async () => {
  const { server, transport } = await stage([{ lost: true }, { status: 204, framing: "length" }]);
  await using _ = server;
  await transport.stop("a/b");
  assert.deepEqual(paths(server), Array(2).fill("POST /api/chat/a%2Fb/stop"));
});

test("without a storage nothing is remembered, and nothing breaks", async () => {
  const { server, transport } = await stage([streamed(5), { status: 204, framing: "length" }], { storage: null });
  await using _ = server;
  assert.deepEqual(await all(await transport.sendMessages(ASKED)), PARTS);
  assert.equal(await transport.reconnectToStream(ASKED), null);
  assert.deepEqual(paths(server).at(-1), "GET /api/chat/a%2Fb/stream?steps=all");
});
