/** The functions of earlier pages: their signatures, the order of what they call, and where they turn to. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  type AnalysisError,
  type AnalysisStreamHandlers,
  createAnalysisStream,
  makeAuthFetch,
  makeChatWithModelStream,
} from "../src/compat.ts";
import { Cancelled, type ClientError, NetworkError, RunFailed, ServerError, TimedOut } from "../src/index.ts";
import { pagesFetch } from "../src/transports.ts";
import { blocks, cursorOf, impatient, json, logOf, OPENING, problem, RUN, stream } from "./run-log.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const LOG = logOf("Hello", " wörld");
const ASKED = { model: "simulated", message: "Hi" };
const FAST = { random: () => 0, timing: { sleep: async () => {} } };
const PAGE = { tail: LOG.length, last: LOG.length, closed: true };

async function serving(answer: (asked: Asked) => Answer): Promise<ScriptedServer> {
  return new ScriptedServer(answer).listen();
}

function isPage(asked: Asked): boolean {
  return asked.method === "GET" && asked.headers.accept === "application/json";
}

/** A server whose streams never get through: runs start, pages are answered. */
function withoutStreams(asked: Asked, begun = 0): Answer {
  if (asked.method === "POST") {
    return json({ id: RUN, state: "running" }, 201);
  }
  return isPage(asked)
    ? json({ records: LOG.slice(cursorOf(asked)), ...PAGE })
    : stream(OPENING + blocks(LOG.slice(cursorOf(asked), begun)), "cut");
}

test("a chat answer comes piece by piece, and whole", async () => {
  const status = { seq: 1, t: 0, type: "status" as const, data: { state: "queued", message: "Waiting" } };
  const log = [status, ...LOG.map((record) => ({ ...record, seq: record.seq + 1 }))];
  await using server = await serving((asked) =>
    asked.method === "POST" ? json({ id: RUN, state: "queued" }, 201) : stream(blocks(log)),
  );
  const told: string[] = [];
  const chat = makeChatWithModelStream({ baseUrl: server.url, ...FAST });
  const onChunk = (content: string): void => void told.push(`chunk ${content}`);
  const text = await chat(ASKED, onChunk, (message) => told.push(`status ${message}`));
  assert.equal(text, "Hello wörld");
  assert.deepEqual(told, ["status Waiting", "chunk Hello", "chunk  wörld"]);
  const sent = JSON.parse(server.asked[0]?.body ?? "");
  assert.deepEqual(sent, { model: "simulated", messages: [{ role: "user", content: "Hi" }] });
  assert.equal(await chat(ASKED), "Hello wörld");
});

test("where streams break, the same answer goes on without one, and later ones begin so", async () => {
  await using server = await serving((asked) => withoutStreams(asked, 1));
  let now = 0;
  const options = { failuresMax: 2, returnMs: 1000, now: () => now };
  const chat = makeChatWithModelStream({ baseUrl: server.url, ...FAST, ...options });
  const streams = (): number => server.asked.filter((asked) => asked.headers.accept === "text/event-stream").length;
  const chunks: string[] = [];
  assert.equal(await chat(ASKED, (content) => chunks.push(content)), "Hello wörld");
  assert.deepEqual(chunks, ["Hello", " wörld"]);
  assert.equal(server.asked.filter((asked) => asked.method === "POST").length, 1);
  await chat(ASKED);
  const before = streams();
  assert.ok(before > 2);
  now = 999;
  assert.equal(await chat(ASKED), "Hello wörld");
  assert.equal(streams(), before);
  now = 1000;
  assert.equal(await chat(ASKED), "Hello wörld");
  assert.ok(streams() > before);
});

test("the switch is asked each time", async () => {
  await using server = await serving((asked) => (isPage(asked) ? withoutStreams(asked) : withoutStreams(asked, 3)));
  let on = false;
  const chat = makeChatWithModelStream({ baseUrl: server.url, ...FAST, useNewStreaming: () => on });
  await chat(ASKED);
  assert.ok(server.asked.every((asked) => asked.headers.accept !== "text/event-stream"));
  on = true;
  await chat(ASKED);
  assert.equal(server.asked.at(-1)?.headers.accept, "text/event-stream");
});

test("an older path is asked before the first piece, and never after it", async () => {
  const older = async (_: unknown, onChunk?: (content: string) => void): Promise<string> => {
    onChunk?.("Older");
    return "Older";
  };
  for (const begun of [0, 1]) {
    await using server = await serving((asked) => withoutStreams(asked, begun));
    const chat = makeChatWithModelStream({ baseUrl: server.url, ...FAST, older });
    const chunks: string[] = [];
    const answer = chat(ASKED, (content) => chunks.push(content));
    if (begun === 0) {
      assert.equal(await answer, "Older");
    } else {
      await assert.rejects(answer, (error: ClientError) => error.code === "MAX_RETRIES_EXCEEDED");
    }
    assert.deepEqual(chunks, [begun === 0 ? "Older" : "Hello"]);
    while (server.asked.at(-1)?.path !== `/api/v1/runs/${RUN}/cancel`) {
      await new Promise(setImmediate);
    }
  }
});

test("what is wrong with the request, or with the run, is no reason for another path", async () => {
  const failed = { seq: 1, t: 0, type: "error", data: { code: "AUTH", message: "No key.", retryable: false } };
  const older = async (): Promise<string> => assert.fail("the older path was asked");
  await using refusing = await serving(() => problem(422, "UNSUPPORTED"));
  await assert.rejects(makeChatWithModelStream({ baseUrl: refusing.url, ...FAST, older })(ASKED), ServerError);
  await using failing = await serving((asked) =>
    asked.method === "POST" ? json({ id: RUN }, 201) : stream(`data: ${JSON.stringify(failed)}\n\n`),
  );
  const chat = makeChatWithModelStream({ baseUrl: failing.url, ...FAST, older });
  await assert.rejects(chat(ASKED), RunFailed);
  await assert.rejects(chat({ ...ASKED, signal: AbortSignal.abort() }), Cancelled);
});

test("authFetch gives a response, or the reader of a stream", async () => {
  const tokens = 'data: {"token":"Hi","done":false}\n\ndata: {"token":"","done":true}\n\n';
  await using server = await serving((asked) => (asked.path === "/stream" ? stream(tokens) : json({ a: 1 })));
  const authFetch = makeAuthFetch({ baseUrl: server.url, headers: () => ({ "X-Org-Id": "o", Accept: "*/*" }) });
  const response = await authFetch("/plain", { headers: { "X-Org-Id": "mine" } });
  assert.deepEqual(await response.json(), { a: 1 });
  const reader = await authFetch("/stream", { method: "POST", body: "{}" }, { stream: true, timeout: 5000 });
  const told: string[] = [];
  const final = await reader.readToCompletion({
    data: (record) => told.push(record.type),
    complete: () => told.push("end"),
  });
  assert.equal(final.type, "complete");
  assert.deepEqual(told, ["chunk", "complete", "end"]);
  assert.deepEqual(server.asked.map((asked) => asked.headers["x-org-id"]), ["mine", "o"]);
  assert.equal(server.asked[1]?.headers.accept, "*/*");
});

test("authFetch tells and throws every failure", async () => {
  const answers: Answer[] = [problem(429, "RATE_LIMIT", true), { lost: true }, { silent: true }];
  await using server = await serving((asked) => answers[asked.number - 1] ?? stream('data: {"token":"Hi"}\n\n', "cut"));
  const authFetch = makeAuthFetch({ baseUrl: server.url });
  const told: ClientError[] = [];
  const onError = (error: ClientError): void => void told.push(error);
  await assert.rejects(authFetch("/a", {}, { stream: true, onError }), ServerError);
  await assert.rejects(authFetch("/b", {}, { onError }), NetworkError);
  await assert.rejects(authFetch("/c", {}, { onError, timeout: 50 }), TimedOut);
  await assert.rejects(authFetch("/d", { signal: AbortSignal.abort() }, { onError }), Cancelled);
  const reader = await authFetch("/e", {}, { stream: true, onError });
  await assert.rejects(reader.readToCompletion(), NetworkError);
  assert.deepEqual(told.map((error) => error.code), ["RATE_LIMIT", "NETWORK", "TIMEOUT", "CANCELLED", "NETWORK"]);
});

/** Handlers that note what they are told, and a promise for the last of it. */
function noted(): { told: string[]; handlers: AnalysisStreamHandlers; ended: Promise<void> } {
  const told: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const handlers: AnalysisStreamHandlers = {
    onInit: ({ sessionId, taskId, modelKey }) => told.push(`init ${sessionId} ${taskId} ${modelKey}`),
    onStatus: ({ state }) => told.push(`status ${state}`),
    onChunk: ({ type, delta }) => told.push(`${type} ${delta}`),
    onField: (path, value, done) => told.push(`field ${path} ${JSON.stringify(value)} ${done}`),
    onComplete: ({ finish_reason }) => {
      told.push(`complete ${finish_reason}`);
      resolve();
    },
    onError: ({ code }: AnalysisError) => {
      told.push(`error ${code}`);
      resolve();
    },
  };
  return { told, handlers, ended };
}

test("an analysis is asked for, read over a break, and told in order", async () => {
  const log = [
    { seq: 1, t: 0, type: "status", data: { state: "streaming" } },
    { seq: 2, t: 1, type: "reasoning", data: { content: "Hm.", index: 0 } },
    { seq: 3, t: 2, type: "chunk", data: { content: "Red", index: 0 } },
    { seq: 4, t: 3, type: "field", data: { path: "/grid/0", value: [1], done: true } },
    { seq: 5, t: 4, type: "complete", data: { finish_reason: "stop", usage: {} } },
  ];
  const sent = (from: number, to: number): string =>
    log.slice(from, to).map((record) => `id: ${RUN}:${record.seq}\ndata: ${JSON.stringify(record)}\n\n`).join("");
  await using server = await serving((asked) =>
    asked.number === 1 ? stream(OPENING + sent(0, 2), "cut") : stream(sent(cursorOf(asked), 5)),
  );
  const { told, handlers, ended } = noted();
  const params = { taskId: "a/b", modelKey: "openai/gpt 5", temperature: 0.5, prompt: "Why?", reasoningEffort: "low" };
  createAnalysisStream(params, handlers, impatient(server)[0]);
  await ended;
  assert.deepEqual(told, [
    `init ${RUN} a/b openai/gpt 5`,
    "status streaming",
    "reasoning Hm.",
    "text Red",
    "field /grid/0 [1] true",
    "complete stop",
  ]);
  assert.deepEqual(server.asked.map((asked) => asked.path), [
    "/api/stream/analyze/a%2Fb/openai/gpt%205?temperature=0.5&prompt=Why%3F&reasoning_effort=low",
    `/api/v1/runs/${RUN}/events?after=2`,
  ]);
});

test("an analysis that is refused or stopped is an error, and one that is closed is silent", async () => {
  await using refusing = await serving(() => problem(404, "NOT_FOUND"));
  const refused = noted();
  createAnalysisStream({ taskId: "t", modelKey: "m" }, refused.handlers, impatient(refusing)[0]);
  await refused.ended;
  assert.deepEqual(refused.told, ["error NOT_FOUND"]);
  const end = { seq: 1, t: 0, type: "cancelled", data: { by: "user", partial_bytes: 0 } };
  await using stopped = await serving((asked) =>
    asked.method === "POST" ? json({ id: RUN, state: "running" }, 202) : stream(`data: ${JSON.stringify(end)}\n\n`),
  );
  const stopping = noted();
  const analysis = createAnalysisStream({ taskId: "t", modelKey: "m" }, stopping.handlers, impatient(stopped)[0]);
  await analysis.cancel();
  await stopping.ended;
  assert.equal(stopping.told.at(-1), "error CANCELLED");
  await using waiting = await serving(() => ({ silent: true }));
  const closed = noted();
  const open = createAnalysisStream({ taskId: "t", modelKey: "m" }, closed.handlers, impatient(waiting)[0]);
  while (waiting.asked.length === 0) {
    await new Promise(setImmediate);
  }
  open.close();
  while (waiting.connections > 0) {
    await new Promise(setImmediate);
  }
  assert.deepEqual(closed.told, []);
});

test("an analysis that a handler closes tells nothing more", async () => {
  await using server = await serving(() => stream(OPENING + blocks(LOG), "open"));
  const { told, handlers } = noted();
  const inits: string[] = [];
  const onInit: AnalysisStreamHandlers["onInit"] = ({ sessionId }) => {
    inits.push(sessionId);
    analysis.close();
  };
  const params = { taskId: "t", modelKey: "m" };
  const analysis = createAnalysisStream(params, { ...handlers, onInit }, impatient(server)[0]);
  while (inits.length === 0 || server.connections > 0) {
    await new Promise(setImmediate);
  }
  assert.deepEqual(inits, [RUN]);
  assert.deepEqual(told, []);
});

/** Of an analysis of which one record gets through by a stream: what is asked for after it, and what is told. */
async function heldBack(handlers: AnalysisStreamHandlers, fallback: boolean): Promise<string[]> {
  await using server = await serving((asked) =>
    asked.path.startsWith("/api/stream/") ? stream(OPENING + blocks(LOG.slice(0, 1)), "cut") : withoutStreams(asked),
  );
  const { told, handlers: noting, ended } = noted();
  const [streaming] = impatient(server, { followRetry: { triesMax: 2 } });
  const pages = fallback ? impatient(server, { fetch: pagesFetch() })[0] : undefined;
  createAnalysisStream({ taskId: "t", modelKey: "m" }, { ...noting, ...handlers }, streaming, pages);
  await ended;
  return told;
}

test("where streams of an analysis break, the rest of it is read without one", async () => {
  const reasons: AnalysisError[] = [];
  const told = await heldBack({ onFallback: (reason) => reasons.push(reason) }, true);
  assert.deepEqual(told, [`init ${RUN} t m`, "text Hello", "text  wörld", "complete stop"]);
  assert.deepEqual(reasons.map(({ code }) => code), ["MAX_RETRIES_EXCEEDED"]);
});

test("without another way they are the analysis' end, and so is a handler that throws", async () => {
  const begun = [`init ${RUN} t m`, "text Hello"];
  assert.deepEqual(await heldBack({}, false), [...begun, "error MAX_RETRIES_EXCEEDED"]);
  const onChunk = (): never => {
    throw new TypeError("of the page's own");
  };
  assert.deepEqual(await heldBack({ onChunk }, true), [`init ${RUN} t m`, "error PARSE"]);
});
