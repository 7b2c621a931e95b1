import assert from "node:assert/strict";
import { test } from "node:test";
import { Headwater, type ProtocolRecord, type RunResource } from "@headwater/client";
import { emptySnapshot } from "@headwater/client/fold";
import { LiveRun } from "../src/chat/liveRun.ts";
import type { RunView } from "../src/chat/runFold.ts";

const WORDS = ["The", " river", " meanders", " slowly", "."];

function recordsOf(words: readonly string[]): ProtocolRecord[] {
  const chunks = words.map((content, at): ProtocolRecord => {
    return { seq: at + 2, t: 10 * (at + 1), type: "chunk", data: { content, index: 0 } };
  });
  return [{ seq: 1, t: 1, type: "status", data: { state: "streaming" } }, ...chunks];
}

function resource(state: RunResource["state"], words: readonly string[]): RunResource {
  return {
    id: "run_1",
    workflow: "chat",
    model: "simulated",
    state,
    created_at: "2026-01-01T00:00:00.000Z",
    ended_at: null,
    tail: words.length + 1,
    owner: { org: "local", user: "local" },
    retry_of: null,
    metadata: {},
    metrics: null,
    request: { model: "simulated", messages: [{ role: "user", content: "Why?" }] },
    snapshot: { ...emptySnapshot(), seq: words.length + 1, text: words.join("") },
  };
}

const error: ProtocolRecord = {
  seq: WORDS.length + 2,
  t: 100,
  type: "error",
  data: { code: "INTERRUPTED", message: "The server stopped.", retryable: true },
};

interface FakeServer {
  readonly asked: string[];
  readonly fetched: typeof fetch;
  readonly client: Headwater;
}

/** A server that answers as the real one does, where the network would begin. */
function server(run: RunResource | null, records: readonly ProtocolRecord[]): FakeServer {
  const asked: string[] = [];
  const answer = (path: string): Response => {
    if (run === null) {
      const problem = { title: "Not found", status: 404, code: "NOT_FOUND", detail: "No such run.", retryable: false };
      return Response.json(problem, { status: 404, headers: { "Content-Type": "application/problem+json" } });
    }
    if (!path.includes("/events")) return Response.json(run);
    const lines = records.map((record) => `id: ${record.seq}\ndata: ${JSON.stringify(record)}\n\n`);
    const headers = { "Content-Type": "text/event-stream", "X-Run-Id": run.id };
    return new Response(`: ok\n\n${lines.join("")}`, { headers });
  };
  const fetched: typeof fetch = (input) => {
    const path = String(input).replace(/^http:\/\/[^/]+/, "");
    asked.push(path);
    return Promise.resolve(answer(path));
  };
  return { asked, fetched, client: new Headwater({ baseUrl: "http://server.test", fetch: fetched }) };
}

/** Every view until the run has ended or can not be read. */
async function views(run: LiveRun): Promise<RunView[]> {
  const seen: RunView[] = [];
  await new Promise<void>((resolve) => {
    const leave = run.subscribe(() => {
      const view = run.view();
      seen.push(view);
      const ended = ["complete", "failed", "partial", "stopped"].includes(view.status.kind);
      if (ended || view.missing || view.trouble !== null) {
        leave();
        resolve();
      }
    });
  });
  run.close();
  return seen;
}

test("a run that has ended is shown as the server has it, and no record is read", async () => {
  const run = { ...resource("completed", WORDS), metrics: { first_token_ms: 12, duration_ms: 90, tokens_per_s: 55 } };
  const { asked, client } = server(run, []);
  const last = (await views(new LiveRun(client, "run_1"))).at(-1);
  assert.equal(last?.snapshot.text, WORDS.join(""));
  assert.equal(last?.status.kind, "complete");
  assert.deepEqual([last?.figures?.firstTokenMs, last?.figures?.tokensPerS], [12, 55]);
  assert.deepEqual(asked, ["/api/v1/runs/run_1"]);
});

test("while the past is read again, the text never goes back", async () => {
  const { asked, client } = server(resource("running", WORDS.slice(0, 3)), [...recordsOf(WORDS), error]);
  const seen = await views(new LiveRun(client, "run_1"));
  let length = 0;
  for (const { snapshot } of seen) {
    assert.ok(WORDS.join("").startsWith(snapshot.text));
    assert.ok(snapshot.text.length >= length);
    ({ length } = snapshot.text);
  }
  const last = seen.at(-1);
  assert.equal(last?.snapshot.text, WORDS.join(""));
  assert.equal(last?.status.kind, "partial");
  assert.equal(last?.figures?.firstTokenMs, 10);
  assert.equal(asked[1], "/api/v1/runs/run_1/events?after=0");
});

test("a very long past is not read again", async () => {
  const known = { ...resource("running", WORDS), tail: 6000 };
  const { asked, client } = server(known, [error]);
  const seen = await views(new LiveRun(client, "run_1"));
  const last = seen.at(-1);
  assert.equal(last?.snapshot.text, WORDS.join(""));
  assert.equal(last?.figures?.firstTokenMs, null);
  for (const { snapshot, status } of seen) assert.ok(snapshot.text === "" || status.kind !== "connecting");
  assert.equal(asked[1], `/api/v1/runs/run_1/events?after=${WORDS.length + 1}`);
});

test("where an attempt takes back some of a snapshot, the run is asked for again", async () => {
  const before = { ...resource("running", WORDS), tail: 6000 };
  const after = resource("running", ["Another", " answer"]);
  after.snapshot.seq = WORDS.length + 3;
  const attempt: ProtocolRecord = {
    seq: WORDS.length + 2,
    t: 90,
    type: "attempt",
    data: { call: 1, number: 2, reason: "TRUNCATED", provider: "p", model: "m", supersedes_from: 2 },
  };
  const first = server(before, [attempt]);
  const second = server(after, [{ ...error, seq: WORDS.length + 4 }]);
  const asked: string[] = [];
  const fetched: typeof fetch = (input) => {
    asked.push(String(input).replace(/^http:\/\/[^/]+/, ""));
    return (asked.length < 3 ? first : second).fetched(input);
  };
  const seen = await views(new LiveRun(new Headwater({ baseUrl: "http://server.test", fetch: fetched }), "run_1"));
  assert.equal(seen.at(-1)?.snapshot.text, "Another answer");
  assert.equal(seen.at(-1)?.status.kind, "partial");
  for (const { snapshot } of seen) assert.ok(["", WORDS.join(""), "Another answer"].includes(snapshot.text));
  assert.deepEqual(asked, [
    "/api/v1/runs/run_1",
    "/api/v1/runs/run_1/events?after=6",
    "/api/v1/runs/run_1",
    "/api/v1/runs/run_1/events?after=8",
  ]);
});

test("what its start answered need not be asked for", async () => {
  const run = resource("running", []);
  const { asked, client } = server(run, [...recordsOf(WORDS), error]);
  const last = (await views(new LiveRun(client, "run_1", run))).at(-1);
  assert.equal(last?.snapshot.text, WORDS.join(""));
  assert.deepEqual(asked, ["/api/v1/runs/run_1/events?after=0"]);
});

test("a run that is not there is missing, and not in trouble", async () => {
  const last = (await views(new LiveRun(server(null, []).client, "run_1"))).at(-1);
  assert.equal(last?.missing, true);
  assert.equal(last?.trouble, null);
});
