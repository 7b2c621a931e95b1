/** Requests: what is sent, what is tried again, and what a failure is called. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Cancelled,
  Conflict,
  Headwater,
  MaxRetriesExceeded,
  newIdempotencyKey,
  NotFound,
  ParseError,
  ServerError,
  TimedOut,
} from "../src/index.ts";
import { impatient, json, problem, REQUEST, RUN } from "./run-log.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const RESOURCE = { id: RUN, state: "running", new_in_2030: 1 };

/** A server that gives these answers, the last of them to all further requests. */
async function serving(...answers: Answer[]): Promise<ScriptedServer> {
  return new ScriptedServer((asked: Asked) => answers[Math.min(asked.number, answers.length) - 1] ?? {}).listen();
}

test("a start posts the request", async () => {
  await using server = await serving(json(RESOURCE, 201));
  const [headwater] = impatient(server, { headers: { Authorization: "Bearer k" } });
  assert.equal((await headwater.start(REQUEST)).id, RUN);
  const [asked] = server.asked;
  assert.deepEqual([asked?.method, asked?.path], ["POST", "/api/v1/runs"]);
  assert.deepEqual(JSON.parse(asked?.body ?? ""), REQUEST);
  assert.equal(asked?.headers["content-type"], "application/json");
  assert.equal(asked?.headers.accept, "application/json");
  assert.equal(asked?.headers.authorization, "Bearer k");
  assert.match(asked?.headers["idempotency-key"] ?? "", /^[0-9a-f]{32}$/);
});

test("a lost answer starts one run", async () => {
  const cut: Answer = { status: 201, headers: { "Content-Type": "application/json" }, body: '{"id', end: "cut" };
  await using server = await serving({ lost: true }, problem(503, "DRAINING", true), cut, json(RESOURCE));
  const [headwater, waitsMs] = impatient(server);
  assert.equal((await headwater.start(REQUEST)).id, RUN);
  assert.equal(new Set(server.asked.map((asked) => asked.headers["idempotency-key"] + asked.body)).size, 1);
  assert.deepEqual(waitsMs, [1000, 2000, 4000]);
});

test("each start has a key of its own, and the caller's is used", async () => {
  await using server = await serving(json(RESOURCE, 201));
  const [headwater] = impatient(server);
  await headwater.start(REQUEST);
  await headwater.start(REQUEST, { idempotencyKey: "mine" });
  await headwater.retry(RUN, { idempotencyKey: "again" });
  const keys = server.asked.map((asked) => asked.headers["idempotency-key"]);
  assert.deepEqual(keys.slice(1), ["mine", "again"]);
  assert.notEqual(newIdempotencyKey(), newIdempotencyKey());
});

test("it gives up after three tries, and says what the last one was", async () => {
  await using server = await serving(problem(503, "STORAGE", true));
  const [headwater, waitsMs] = impatient(server);
  const failure = await headwater.start(REQUEST).catch((error: unknown) => error);
  assert.ok(failure instanceof MaxRetriesExceeded);
  assert.equal(failure.last.code, "STORAGE");
  assert.equal(failure.cause, failure.last);
  assert.equal(failure.retryable, true);
  assert.deepEqual(waitsMs, [1000, 2000, 4000]);
});

test("a refusal is a typed error at once", async () => {
  await using server = await serving(problem(409, "CONFLICT"), problem(404, "NOT_FOUND"), problem(422, "UNSUPPORTED"));
  const [headwater, waitsMs] = impatient(server);
  await assert.rejects(headwater.start(REQUEST), Conflict);
  await assert.rejects(headwater.get(RUN), NotFound);
  const refused = await headwater.cancel(RUN).catch((error: unknown) => error);
  assert.ok(refused instanceof ServerError);
  assert.deepEqual([refused.status, refused.message, refused.kind], [422, "Said UNSUPPORTED.", "SERVER"]);
  assert.equal(refused.problem.title, "T");
  assert.deepEqual(waitsMs, []);
});

test("an answer that is not the resource is asked for again, and then refused", async () => {
  for (const answer of [json([RESOURCE]), json({ id: 7 }), { ...json(null), body: "<html>" }]) {
    await using server = await serving(answer);
    const [headwater] = impatient(server, { callRetry: { triesMax: 1 } });
    await assert.rejects(
      headwater.get(RUN),
      (error: unknown) => error instanceof MaxRetriesExceeded && error.cause instanceof ParseError,
    );
    assert.equal(server.asked.length, 2);
  }
});

test("a list asks for what is given only", async () => {
  await using server = await serving(json({ runs: [RESOURCE], next: "n" }));
  const [headwater] = impatient(server, { baseUrl: `${server.url}/` });
  const page = await headwater.list({ state: "running", model: "a b&c", limit: 2 });
  assert.deepEqual([page.runs[0]?.id, page.next], [RUN, "n"]);
  await headwater.list();
  const paths = server.asked.map((asked) => asked.path);
  assert.deepEqual(paths, ["/api/v1/runs?state=running&model=a+b%26c&limit=2", "/api/v1/runs"]);
});

test("an id is never more than one segment of the path", async () => {
  await using server = await serving(json(RESOURCE));
  const [headwater] = impatient(server);
  await headwater.get("../models?x#y");
  assert.equal(server.asked[0]?.path, "/api/v1/runs/..%2Fmodels%3Fx%23y");
});

test("models are a list", async () => {
  await using server = await serving(json({ models: [{ name: "m", provider: "p", model: "x", capabilities: [] }] }));
  const [headwater] = impatient(server);
  assert.deepEqual((await headwater.models()).map((model) => model.name), ["m"]);
});

test("a delete whose answer was lost may have been done; one that was never asked was not", async () => {
  await using server = await serving({ lost: true }, problem(404, "NOT_FOUND"));
  const [headwater] = impatient(server);
  await headwater.delete(RUN);
  assert.deepEqual(server.asked.map((asked) => asked.method), ["DELETE", "DELETE"]);
  await assert.rejects(headwater.delete(RUN), NotFound);
});

test("a delete without an answer's body is done", async () => {
  await using server = await serving({ status: 204, framing: "length" });
  const [headwater] = impatient(server);
  await headwater.delete(RUN);
  assert.equal(server.asked.length, 1);
});

test("a caller's signal stops a call and its tries", async () => {
  await using server = await serving({ silent: true });
  const caller = new AbortController();
  const [headwater] = impatient(server);
  const call = headwater.get(RUN, { signal: caller.signal });
  while (server.asked.length === 0) {
    await new Promise(setImmediate);
  }
  caller.abort();
  await assert.rejects(call, Cancelled);
  await assert.rejects(headwater.get(RUN, { signal: caller.signal }), Cancelled);
  assert.equal(server.asked.length, 1);
});

test("a call ends with its signal in the middle of an answer, also where the fetch does not hear it", async () => {
  const caller = new AbortController();
  let asked = false;
  const deaf = async (): Promise<Response> => {
    asked = true;
    return new Response(new ReadableStream({ pull: () => new Promise(() => {}) }));
  };
  const call = new Headwater({ baseUrl: "http://127.0.0.1:1", fetch: deaf }).get(RUN, { signal: caller.signal });
  while (!asked) {
    await new Promise(setImmediate);
  }
  caller.abort();
  await assert.rejects(call, Cancelled);
});

test("a server that does not answer has thirty seconds", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  await using server = await serving({ silent: true });
  const [headwater] = impatient(server, { callRetry: { triesMax: 0 } });
  const call = headwater.get(RUN).catch((error: unknown) => error);
  while (server.asked.length === 0) {
    await new Promise(setImmediate);
  }
  t.mock.timers.tick(29_999);
  t.mock.timers.tick(1);
  assert.ok((await call) instanceof TimedOut);
});

test("no server is a network error", async () => {
  const server = await serving({});
  const { url } = server;
  await server.close();
  const headwater = new Headwater({ baseUrl: url, callRetry: { triesMax: 0 } });
  await assert.rejects(headwater.get(RUN), { name: "NetworkError", code: "NETWORK", retryable: true });
});

test("a redirect is not followed", async () => {
  await using server = await serving({ status: 302, headers: { Location: "/elsewhere" }, framing: "length" });
  const headwater = new Headwater({ baseUrl: server.url, callRetry: { triesMax: 0 } });
  await assert.rejects(headwater.get(RUN), { name: "NetworkError" });
  assert.equal(server.asked.length, 1);
});
