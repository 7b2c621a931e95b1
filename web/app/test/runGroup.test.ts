import assert from "node:assert/strict";
import { test } from "node:test";
import { Headwater, type RunResource } from "@headwater/client";
import { emptySnapshot } from "@headwater/client/fold";
import { RunFold } from "../src/chat/runFold.ts";
import { isOver } from "../src/models/comparison.ts";
import { GroupStore } from "../src/models/groupStore.ts";
import { RunGroup } from "../src/models/runGroup.ts";

function resource(id: string, state: RunResource["state"] = "running", text = ""): RunResource {
  return {
    id,
    workflow: "chat",
    model: "simulated",
    state,
    created_at: "2026-01-01T00:00:00.000Z",
    ended_at: null,
    tail: 0,
    owner: { org: "local", user: "local" },
    retry_of: null,
    metadata: {},
    metrics: null,
    request: { model: "simulated", messages: [{ role: "user", content: "Why?" }] },
    snapshot: { ...emptySnapshot(), seq: text.length, text },
  };
}

interface Runs {
  find(is: (run: RunResource) => boolean): RunResource | undefined;
}

/** Stands last in what a connection brings that is not cut. */
const OPEN = {};

function chunk(run: string, seq: number, content: string): object {
  return { run, seq, t: 10 * seq, type: "chunk", data: { content, index: 0 } };
}

function end(run: string, seq: number): object {
  return { run, seq, t: 10 * seq, type: "complete", data: { finish_reason: "stop", usage: {} } };
}

/** A client whose server gives these answers to what is asked for events, one after another, and these runs. */
function server(streams: readonly (readonly object[])[], runs: Runs): [Headwater, string[]] {
  const asked: string[] = [];
  const left = [...streams];
  const fetched: typeof fetch = (input) => {
    const path = String(input).replace(/^http:\/\/[^/]+/, "");
    asked.push(path);
    if (path.startsWith("/api/v1/events")) {
      const told = left.shift();
      if (told === undefined) return Promise.resolve(Response.json({ detail: "Asked too often." }, { status: 400 }));
      const blocks = told.filter((each) => each !== OPEN).map((each) => `id: 0\ndata: ${JSON.stringify(each)}\n\n`);
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(`: ok\n\n${blocks.join("")}`));
          if (told.at(-1) !== OPEN) controller.close();
        },
      });
      return Promise.resolve(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
    }
    let run: RunResource | undefined;
    try {
      run = runs.find(({ id }) => path.endsWith(id));
    } catch (error) {
      return Promise.reject(error);
    }
    const problem = { title: "Not found", status: 404, code: "NOT_FOUND", detail: "No such run.", retryable: false };
    return Promise.resolve(run === undefined ? Response.json(problem, { status: 404 }) : Response.json(run));
  };
  const timing = { sleep: () => Promise.resolve() };
  return [new Headwater({ baseUrl: "http://server", fetch: fetched, timing }), asked];
}

/** What every run is shown as when all are over. */
async function settled(group: RunGroup): Promise<string[]> {
  const shown = (): string[] =>
    Array.from(group.views().values(), ({ status, snapshot }) => `${status.kind} ${snapshot.text}`);
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (Array.from(group.views().values()).every(isOver)) resolve();
    };
    group.subscribe(look);
    look();
  });
  return shown();
}

test("several runs are read over one connection, and a cut one goes on behind each", async () => {
  const [client, asked] = server(
    [
      [chunk("run_a", 1, "A"), chunk("run_b", 1, "B")],
      [chunk("run_b", 2, "b"), end("run_b", 3), chunk("run_a", 2, "a"), end("run_a", 3)],
    ],
    [resource("run_a"), resource("run_b")],
  );
  const group = new RunGroup(client, [new RunFold("run_a"), new RunFold("run_b")]);
  assert.deepEqual(await settled(group), ["complete Aa", "complete Bb"]);
  assert.deepEqual(asked, [
    "/api/v1/runs/run_a",
    "/api/v1/runs/run_b",
    "/api/v1/events?run=run_a:0&run=run_b:0",
    "/api/v1/events?run=run_a:1&run=run_b:1",
  ]);
  group.close();
});

test("what is known is not asked for, and what has ended is not followed", async () => {
  const [client, asked] = server([[end("run_a", 1)]], []);
  const group = new GroupStore(client).adopt([resource("run_a"), resource("run_b", "completed", "Said")]);
  assert.deepEqual(await settled(group), ["complete ", "complete Said"]);
  assert.deepEqual(asked, ["/api/v1/events?run=run_a:0"]);
  group.close();
});

test("a run that is not there leaves the others alone", async () => {
  const [client] = server([[end("run_a", 1)]], [resource("run_a")]);
  const group = new RunGroup(client, [new RunFold("run_x"), new RunFold("run_a")]);
  await settled(group);
  assert.deepEqual(
    Array.from(group.views().values(), ({ missing, status }) => [missing, status.kind]),
    [
      [true, "connecting"],
      [false, "complete"],
    ],
  );
  group.close();
});

test("a past that can not be told apart is asked for again", async () => {
  const data = { call: 1, number: 2, reason: "INTERRUPTED", provider: "p", model: "m", supersedes_from: 3 };
  const attempt = { run: "run_a", seq: 8, t: 80, type: "attempt", data };
  const past = { ...resource("run_a"), tail: 6000, snapshot: { ...emptySnapshot(), seq: 7, text: "old" } };
  const newer = { ...past, snapshot: { ...emptySnapshot(), seq: 8, text: "" } };
  const runs = [newer, past];
  const [client, asked] = server([[attempt, OPEN], [chunk("run_a", 9, "new"), end("run_a", 10)]], {
    find: () => runs.pop(),
  });
  const group = new RunGroup(client, [new RunFold("run_a")]);
  assert.deepEqual(await settled(group), ["complete new"]);
  assert.deepEqual(asked, [
    "/api/v1/runs/run_a",
    "/api/v1/events?run=run_a:7",
    "/api/v1/runs/run_a",
    "/api/v1/events?run=run_a:8",
  ]);
  group.close();
});

test("while a run can not be asked for, its view says so", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  let down = true;
  const [client] = server([[end("run_a", 1)]], {
    find: () => {
      if (down) throw new TypeError("fetch failed");
      return resource("run_a");
    },
  });
  const group = new RunGroup(client, [new RunFold("run_a")]);
  const kinds = new Set<string>();
  const look = (): void => void kinds.add(group.views().get("run_a")?.status.kind ?? "");
  const leave = group.subscribe(look);
  const passes = async (kind: string): Promise<void> => {
    for (let turn = 0; turn < 200 && !kinds.has(kind); turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      t.mock.timers.tick(100);
    }
    assert.ok(kinds.has(kind), kind);
  };
  await passes("reconnecting");
  down = false;
  await passes("complete");
  leave();
  group.close();
});

test("a run in the place of another keeps what the others have", async () => {
  const first = [chunk("run_a", 1, "A"), end("run_b", 1), OPEN];
  const [client, asked] = server([first, [end("run_c", 1), end("run_a", 2)]], []);
  const store = new GroupStore(client);
  const group = store.adopt([resource("run_a"), resource("run_b")]);
  await new Promise<void>((resolve) => {
    group.subscribe(() => group.views().get("run_b")?.status.kind === "complete" && resolve());
  });
  const next = store.keep(group.replaced("run_b", resource("run_c")));
  assert.deepEqual(next.ids, ["run_a", "run_c"]);
  assert.equal(store.get(["run_a", "run_c"]), next);
  assert.deepEqual(await settled(next), ["complete A", "complete "]);
  assert.equal(asked.at(-1), "/api/v1/events?run=run_a:1&run=run_c:0");
  next.close();
});

test("only the last comparisons are kept", () => {
  const [client] = server([], []);
  const store = new GroupStore(client);
  const first = store.get(["run_0"]);
  assert.equal(store.get(["run_0"]), first);
  for (let number = 1; number <= 4; number++) store.get([`run_${number}`]);
  assert.notEqual(store.get(["run_0"]), first);
});
