import assert from "node:assert/strict";
import { test } from "node:test";
import { Headwater, ParseError, type RunResource } from "@headwater/client";
import { contextOf, entitiesOf, wordsOfName } from "../src/assistant/context.ts";
import { messageOf, suggestionsOf } from "../src/assistant/result.ts";
import { begin, newestRun, sessionOf } from "../src/assistant/sessions.ts";
import type { Question, Session, Turn } from "../src/assistant/sessions.ts";

const HOSTILE = [null, undefined, 1, "x", [], { suggestions: "x" }, { intent: 3 }, { entities: [] }, { message: 1 }];
const QUESTION: Question = { message: "Find ramen", session: null, model: null, idempotencyKey: "key" };
const FOREVER = new AbortController().signal;

function turn(run: string, state: Turn["state"] = "complete", message = "Find ramen"): Turn {
  const rest = { error: null, context: null, suggestions: [], vote: null, created_at: "2026-01-01T00:00:00.000Z" };
  return { run, message, answer: "In Tokyo …", state, ...rest };
}

function session(...turns: Turn[]): Session {
  const created_at = "2026-01-01T00:00:00.000Z";
  return { session_id: "ses_1", title: "Find ramen", created_at, context: null, turns, next: null };
}

/** A client whose server answers so, and what it was asked. */
function server(answer: (path: string) => Response): [Headwater, [string, RequestInit | undefined][]] {
  const asked: [string, RequestInit | undefined][] = [];
  const fetched: typeof fetch = (input, init) => {
    const path = String(input).replace(/^http:\/\/[^/]+/, "");
    asked.push([path, init]);
    return Promise.resolve(answer(path));
  };
  return [new Headwater({ baseUrl: "http://server.test", fetch: fetched }), asked];
}

test("a context is told in words, whatever a model made of it", () => {
  assert.equal(wordsOfName("find_restaurant"), "Find restaurant");
  const entities = { place: "Tokyo", seats: 4, other: null };
  const context = contextOf({ context: { intent: "find_restaurant", entities } });
  assert.deepEqual(entitiesOf(context), [
    ["place", "Tokyo"],
    ["seats", "4"],
  ]);
  for (const told of HOSTILE) {
    assert.ok(Array.isArray(entitiesOf(contextOf({ context: told }))));
    assert.deepEqual(suggestionsOf(told), []);
    assert.equal(messageOf(told), null);
  }
  assert.deepEqual(suggestionsOf({ suggestions: ["More", 3, ""] }), ["More"]);
});

test("the newest answer is the session's last, or one that it does not have yet", () => {
  assert.equal(newestRun(null, null), null);
  assert.equal(newestRun(null, "run_2"), "run_2");
  assert.equal(newestRun(session(turn("run_1")), "run_2"), "run_2");
  assert.equal(newestRun(session(turn("run_1"), turn("run_2")), "run_1"), "run_2");
  assert.equal(newestRun(session(turn("run_1"), turn("run_2")), null), "run_2");
});

test("a run tells its session", () => {
  const run = (input: unknown) => ({ id: "run_1f", request: { model: "simulated", input } }) as RunResource;
  assert.equal(sessionOf(null), null);
  assert.equal(sessionOf(run({ message: "Hello", session_id: "ses_2" })), "ses_2");
  assert.equal(sessionOf(run({ message: "Hello" })), "ses_1f");
});

test("asked with streaming, and without", async () => {
  const headers = { "X-Run-Id": "run_1", "X-Session-Id": "ses_1" };
  const [client, asked] = server(() => new Response("{}", { headers }));
  for (const streaming of [true, false]) {
    assert.deepEqual(await begin(client, QUESTION, streaming, FOREVER), { run: "run_1", session: "ses_1" });
  }
  assert.deepEqual(
    asked.map(([path]) => path),
    ["/api/conversation-stream/local", "/api/conversation/local"],
  );
  const [streamed, whole] = asked.map(([, init]) => new Headers(init?.headers));
  assert.equal(streamed?.get("accept"), "text/event-stream");
  assert.equal(whole?.get("accept"), "application/json");
  assert.equal(whole?.get("idempotency-key"), "key");
  assert.deepEqual(JSON.parse(String(asked[0]?.[1]?.body)), { message: "Find ramen" });
});

test("an answer that names no run is refused", async () => {
  const [client] = server(() => new Response("{}", { headers: { "X-Run-Id": "run_1" } }));
  await assert.rejects(begin(client, QUESTION, false, FOREVER), ParseError);
});
