/** Several runs over one connection: what the tests of one run do not say of them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  type CursorAhead,
  type LinkStatus,
  MaxRetriesExceeded,
  NotFound,
  ParseError,
  type ProtocolRecord,
} from "../src/index.ts";
import { followMany, type Place, type RunItem } from "../src/many.ts";
import { collect, impatient, json, logOf, OPENING, stream } from "./run-log.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const LOGS = new Map([
  ["run_a", logOf("a", "b", "c")],
  ["run_b", logOf("1", "2")],
  ["run_c", logOf("x")],
]);
const RUNS: Place[] = Array.from(LOGS.keys(), (run) => ({ run }));

async function serving(answer: (asked: Asked) => Answer): Promise<ScriptedServer> {
  return new ScriptedServer(answer).listen();
}

/** What a request asks for, in its order. */
function placesOf(asked: Asked): [string, number][] {
  const places = new URLSearchParams(asked.path.split("?")[1]).getAll("run");
  return places.map((place) => [place.split(":")[0] ?? "", Number(place.split(":")[1])]);
}

function block(run: string, told: object, id = "0"): string {
  return `id: ${id}\ndata: ${JSON.stringify({ run, ...told })}\n\n`;
}

/** The records of a run behind a cursor, and its end. */
function rest(run: string, after: number): string[] {
  const left = (LOGS.get(run) ?? []).slice(after).map((record) => block(run, record));
  return [...left, block(run, { end: { reason: "closed", tail: LOGS.get(run)?.length } })];
}

/** All of it, in turn of the runs. */
function merged(asked: Asked): string[] {
  const queues = placesOf(asked).map(([run, after]) => rest(run, after));
  const blocks: string[] = [];
  while (queues.some((queue) => queue.length > 0)) {
    blocks.push(...queues.flatMap((queue) => queue.splice(0, 1)));
  }
  return blocks;
}

const whole = (asked: Asked): Answer => stream(OPENING + merged(asked).join(""));

function refused(status: number, problem: object): Answer {
  return { ...json({ title: "T", detail: "Said so.", retryable: false, ...problem }, status) };
}

function recordsOf(items: readonly RunItem[], run: string): ProtocolRecord[] {
  return items.flatMap((item) => (item.run === run && item.record ? [item.record] : []));
}

test("gives the records of every run, over one connection", async () => {
  await using server = await serving(whole);
  const [headwater] = impatient(server);
  const many = followMany(headwater, RUNS);
  const items = await collect(many);
  for (const [run, log] of LOGS) {
    assert.deepEqual(recordsOf(items, run), log);
  }
  assert.equal(server.asked.length, 1);
  assert.equal(server.asked[0]?.path, "/api/v1/events?run=run_a:0&run=run_b:0&run=run_c:0");
  assert.deepEqual(Object.fromEntries(many.cursors), { run_a: 4, run_b: 3, run_c: 2 });
});

test("cut behind any block, it goes on behind each cursor and leaves out what has ended", async () => {
  const blocks = 4 + 3 + 2 + 3;
  for (let cut = 0; cut <= blocks; cut++) {
    await using server = await serving((asked) =>
      asked.number === 1 ? stream(OPENING + merged(asked).slice(0, cut).join(""), "cut") : whole(asked),
    );
    const [headwater] = impatient(server);
    const items = await collect(followMany(headwater, RUNS));
    for (const [run, log] of LOGS) {
      assert.deepEqual(recordsOf(items, run), log, `${run}, cut behind block ${cut}`);
    }
    const [, again] = server.asked;
    for (const [run, after] of again === undefined ? [] : placesOf(again)) {
      assert.ok(after < (LOGS.get(run)?.length ?? 0), "what has ended is not asked for again");
    }
  }
});

test("what came twice is given once", async () => {
  await using server = await serving((asked) =>
    asked.number === 1
      ? stream(OPENING + merged(asked).slice(0, 5).join(""), "cut")
      : stream(OPENING + RUNS.flatMap(({ run }) => rest(run, 0)).join("")),
  );
  const [headwater] = impatient(server);
  const items = await collect(followMany(headwater, RUNS));
  for (const [run, log] of LOGS) {
    assert.deepEqual(recordsOf(items, run), log);
  }
});

test("goes on from cursors of another day, and ends where nothing is left", async () => {
  await using server = await serving((asked) => (asked.number === 1 ? whole(asked) : { status: 204 }));
  const [headwater] = impatient(server);
  const items = await collect(followMany(headwater, [{ run: "run_a", after: 2 }, { run: "run_b", after: 3 }]));
  assert.deepEqual(recordsOf(items, "run_a"), LOGS.get("run_a")?.slice(2));
  assert.deepEqual(recordsOf(items, "run_b"), []);
  assert.deepEqual(await collect(followMany(headwater, [{ run: "run_b", after: 3 }])), []);
});

test("what is wrong with one run leaves the others alone", async () => {
  await using server = await serving((asked) => {
    if (asked.number === 1) {
      return refused(404, { code: "NOT_FOUND", run: "run_b" });
    }
    return asked.number === 2 ? refused(409, { code: "CURSOR_AHEAD", run: "run_c", tail: 2 }) : whole(asked);
  });
  const [headwater, waitsMs] = impatient(server);
  const items = await collect(followMany(headwater, RUNS));
  assert.ok(items[0]?.error instanceof NotFound);
  assert.equal((items[1]?.error as CursorAhead).code, "CURSOR_AHEAD");
  assert.deepEqual([items[0]?.run, items[1]?.run], ["run_b", "run_c"]);
  assert.deepEqual(recordsOf(items, "run_a"), LOGS.get("run_a"));
  assert.deepEqual(waitsMs, []);
});

test("when there is something wrong with all of them it ends", async () => {
  await using server = await serving((asked) => refused(404, { code: "NOT_FOUND", run: placesOf(asked)[0]?.[0] }));
  const [headwater] = impatient(server);
  const items = await collect(followMany(headwater, RUNS));
  assert.deepEqual(items.map(({ run }) => run), ["run_a", "run_b", "run_c"]);
  assert.equal(server.asked.length, 3);
});

test("a run that is deleted meanwhile is told of", async () => {
  const gone = block("run_b", { end: { reason: "deleted" } });
  await using server = await serving(() => stream(OPENING + gone + gone + rest("run_a", 0).join("")));
  const [headwater] = impatient(server);
  const items = await collect(followMany(headwater, [{ run: "run_a" }, { run: "run_b" }]));
  assert.ok(items[0]?.error instanceof NotFound);
  assert.deepEqual(recordsOf(items, "run_a"), LOGS.get("run_a"));
  assert.equal(items.length, 5);
});

test("a refusal of something else is thrown", async () => {
  await using server = await serving(() => refused(400, { code: "BAD_REQUEST", run: "run_x" }));
  const [headwater] = impatient(server);
  await assert.rejects(collect(followMany(headwater, RUNS)), { code: "BAD_REQUEST" });
});

for (const [name, body] of [
  ["a gap", block("run_a", { seq: 2, t: 0, type: "chunk", data: { content: "b", index: 0 } })],
  ["a record without its run", `data: ${JSON.stringify(LOGS.get("run_a")?.[0])}\n\n`],
  ["what is no record", block("run_a", { seq: "1" })],
] as const) {
  test(`${name} is a fault of the connection`, async () => {
    await using server = await serving((asked) => (asked.number === 1 ? stream(OPENING + body) : whole(asked)));
    const [headwater] = impatient(server);
    const seen: LinkStatus[] = [];
    const items = await collect(followMany(headwater, RUNS, { onStatus: (status) => seen.push(status) }));
    assert.deepEqual(recordsOf(items, "run_a"), LOGS.get("run_a"));
    assert.ok(seen.find(({ state }) => state === "reconnecting")?.error instanceof ParseError);
  });
}

test("says where it is, and what it knows nothing of is passed over", async () => {
  const strange = block("run_z", { seq: 9, t: 0, type: "chunk", data: { content: "z", index: 0 } });
  await using server = await serving((asked) =>
    asked.number === 1 ? { lost: true } : stream(OPENING + strange + merged(asked).join("")),
  );
  const [headwater] = impatient(server);
  const seen: LinkStatus[] = [];
  const items = await collect(followMany(headwater, RUNS, { onStatus: (status) => seen.push(status) }));
  assert.deepEqual(
    seen.map(({ state, attempt }) => [state, attempt]),
    [
      ["connecting", 0],
      ["reconnecting", 1],
      ["connecting", 1],
      ["streaming", 1],
      ["ended", 0],
    ],
  );
  assert.equal(items.find(({ run }) => run === "run_z"), undefined);
});

test("gives up where its client does", async () => {
  await using server = await serving(() => ({ lost: true }));
  const [headwater] = impatient(server, { followRetry: { triesMax: 2 } });
  await assert.rejects(collect(followMany(headwater, RUNS)), MaxRetriesExceeded);
  assert.equal(server.asked.length, 3);
});

test("closed, it gives no more", async () => {
  await using server = await serving((asked) => stream(OPENING + merged(asked).slice(0, 3).join(""), "open"));
  const [headwater] = impatient(server);
  const caller = new AbortController();
  const items: RunItem[] = [];
  for await (const item of followMany(headwater, RUNS, { signal: caller.signal })) {
    items.push(item);
    if (items.length === 2) {
      caller.abort();
    }
  }
  assert.equal(items.length, 2);
});

test("only different runs, and not too many, are followed together", () => {
  const [headwater] = impatient({ url: "" } as ScriptedServer);
  const many = Array.from({ length: 33 }, (_, number) => ({ run: `run_${number}` }));
  for (const places of [[], many, [{ run: "run_a" }, { run: "run_a", after: 1 }], [{ run: "run_a", after: -1 }]]) {
    assert.throws(() => followMany(headwater, places), RangeError);
  }
});
