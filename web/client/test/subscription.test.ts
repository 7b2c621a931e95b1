/** Following a run: what the cases do not say, which is when a connection is given up and what its caller may do. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Cancelled, type FollowStatus, type ProtocolRecord, ServerError, type WakeReason } from "../src/index.ts";
import {
  blocks,
  collect,
  cursorOf,
  impatient,
  json,
  logOf,
  OPENING,
  problem,
  REQUEST,
  RUN,
  stream,
} from "./run-log.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const LOG = logOf("Hello", " wörld", " 🌊", "!");

async function serving(answer: (asked: Asked) => Answer): Promise<ScriptedServer> {
  return new ScriptedServer(answer).listen();
}

/** The records behind the cursor; the first connection stays open after two of them. */
function openFirst(asked: Asked): Answer {
  const left = LOG.slice(cursorOf(asked));
  return asked.number === 1 ? stream(OPENING + blocks(left.slice(0, 2)), "open") : stream(OPENING + blocks(left));
}

/** Wakes that a test gives itself. */
class Alarm {
  readonly #listeners = new Set<(reason: WakeReason) => void>();

  readonly wakes = (wake: (reason: WakeReason) => void): (() => void) => {
    this.#listeners.add(wake);
    return () => this.#listeners.delete(wake);
  };

  ring(reason: WakeReason): void {
    for (const listener of this.#listeners) {
      listener(reason);
    }
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

test("says where it is", async () => {
  await using server = await serving((asked) =>
    asked.number === 1 ? stream(OPENING + blocks(LOG.slice(0, 2)), "cut") : stream(OPENING + blocks(LOG.slice(2))),
  );
  const [headwater] = impatient(server);
  const seen: FollowStatus[] = [];
  await collect(headwater.follow(RUN, { onStatus: (status) => seen.push(status) }));
  assert.deepEqual(
    seen.map(({ state, cursor, attempt }) => [state, cursor, attempt]),
    [
      ["connecting", 0, 0],
      ["streaming", 0, 0],
      ["reconnecting", 2, 1],
      ["connecting", 2, 1],
      ["streaming", 2, 1],
      ["ended", 5, 0],
    ],
  );
  assert.equal(seen[2]?.delayMs, 500);
  assert.equal(seen[2]?.error?.code, "NETWORK");
});

test("tells the run's progress once, before its record, over a break and from a start", async () => {
  const half: ProtocolRecord = { seq: 1, t: 0, type: "status", data: { state: "streaming", progress: 0.5 } };
  const log = [half, ...LOG.map((record) => ({ ...record, seq: record.seq + 1 }))];
  await using server = await serving((asked) =>
    asked.number % 2 === 1 ? stream(OPENING + blocks(log.slice(0, 1)), "cut") : stream(OPENING + blocks(log)),
  );
  const [headwater] = impatient(server);
  for (const follow of [headwater.follow.bind(headwater, RUN), headwater.startAndFollow.bind(headwater, REQUEST)]) {
    const told: unknown[] = [];
    for await (const record of follow({ onProgress: (status) => told.push(status) })) {
      told.push(record.seq);
    }
    assert.deepEqual(told, [half.data, ...log.map(({ seq }) => seq)]);
  }
});

test("a connection on which nothing comes is dead", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  await using server = await serving(openFirst);
  const [headwater] = impatient(server);
  const seen: FollowStatus[] = [];
  const records: ProtocolRecord[] = [];
  for await (const record of headwater.follow(RUN, { onStatus: (status) => seen.push(status) })) {
    records.push(record);
    if (record.seq === 2) {
      setImmediate(() => t.mock.timers.tick(37_500));
    }
  }
  assert.deepEqual(records, LOG);
  assert.deepEqual(server.asked.map(cursorOf), [0, 2]);
  assert.equal(seen.find((status) => status.error)?.error?.code, "TIMEOUT");
});

test("a server that does not answer is dead", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  await using server = await serving((asked) => {
    if (asked.number > 1) {
      return stream(OPENING + blocks(LOG));
    }
    setImmediate(() => t.mock.timers.tick(37_500));
    return { silent: true };
  });
  const [headwater] = impatient(server);
  assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
});

test("the time that the caller takes is no silence", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  await using server = await serving(() => stream(OPENING + blocks(LOG)));
  const [headwater] = impatient(server);
  for await (const _ of headwater.follow(RUN)) {
    t.mock.timers.tick(3_600_000);
  }
  assert.equal(server.asked.length, 1);
});

test("gives up by itself after three tries in a row without progress", async () => {
  await using server = await serving(() => ({ lost: true }));
  const [headwater, waitsMs] = impatient(server);
  await assert.rejects(collect(headwater.follow(RUN)), { name: "MaxRetriesExceeded", tries: 3 });
  assert.deepEqual(waitsMs, [1000, 2000, 4000]);
});

test("never gives up where that is asked for", async () => {
  await using server = await serving((asked) => (asked.number < 40 ? { lost: true } : stream(OPENING + blocks(LOG))));
  const [headwater, waitsMs] = impatient(server, { followRetry: { triesMax: Number.POSITIVE_INFINITY } });
  assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
  assert.equal(Math.max(...waitsMs), 8000);
});

test("when the network changes the old connection is given up at once", async () => {
  await using server = await serving(openFirst);
  const alarm = new Alarm();
  const [headwater, waitsMs] = impatient(server, { wakes: alarm.wakes });
  const records: ProtocolRecord[] = [];
  for await (const record of headwater.follow(RUN)) {
    records.push(record);
    if (record.seq === 2) {
      alarm.ring("network");
    }
  }
  assert.deepEqual(records, LOG);
  assert.deepEqual(server.asked.map(cursorOf), [0, 2]);
  assert.deepEqual(waitsMs, []);
  assert.equal(alarm.listeners, 0);
});

test("a page that is looked at again gives up what was silent for longer than a heartbeat, else nothing", async (t) => {
  t.mock.timers.enable({ apis: ["Date"] });
  await using server = await serving(openFirst);
  const alarm = new Alarm();
  const [headwater] = impatient(server, { wakes: alarm.wakes });
  const states: string[] = [];
  let statesBefore: string[] = [];
  const look = async (): Promise<void> => {
    t.mock.timers.tick(15_000);
    alarm.ring("slept");
    await new Promise((resolve) => setTimeout(resolve, 20));
    statesBefore = [...states];
    t.mock.timers.tick(15_000);
    alarm.ring("slept");
  };
  const records: ProtocolRecord[] = [];
  for await (const record of headwater.follow(RUN, { onStatus: ({ state }) => states.push(state) })) {
    records.push(record);
    if (record.seq === 2) {
      setImmediate(look);
    }
  }
  assert.deepEqual(records, LOG);
  assert.deepEqual(statesBefore, ["connecting", "streaming"]);
  assert.deepEqual(states.slice(2), ["reconnecting", "connecting", "streaming", "ended"]);
});

for (const reason of ["network", "slept"] as const) {
  test(`a wait ends when the page is woken: ${reason}`, async () => {
    await using server = await serving((asked) => (asked.number === 1 ? { lost: true } : stream(blocks(LOG))));
    const alarm = new Alarm();
    const sleep = (_: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve());
        alarm.ring(reason);
      });
    const [headwater] = impatient(server, { wakes: alarm.wakes, timing: { sleep } });
    assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
  });
}

test("closed while it waits for a record, it ends without an error, and so does the connection", async () => {
  await using server = await serving(openFirst);
  const [headwater] = impatient(server);
  const subscription = headwater.follow(RUN);
  const records: ProtocolRecord[] = [];
  for await (const record of subscription) {
    records.push(record);
    if (record.seq === 2) {
      setImmediate(() => subscription.close());
    }
  }
  assert.deepEqual(records, LOG.slice(0, 2));
  assert.equal(subscription.cursor, 2);
  while (server.connections > 0) {
    await new Promise(setImmediate);
  }
});

test("closed between two records of one read, it gives no more", async () => {
  await using server = await serving(() => stream(OPENING + blocks(LOG)));
  const [headwater] = impatient(server);
  const subscription = headwater.follow(RUN);
  const records: ProtocolRecord[] = [];
  for await (const record of subscription) {
    records.push(record);
    subscription.close();
  }
  assert.deepEqual(records, LOG.slice(0, 1));
});

test("closed while it waits for its next try, it ends", async () => {
  await using server = await serving(() => ({ lost: true }));
  const [headwater] = impatient(server, { timing: { sleep: (_, signal) => aborted(signal) } });
  const subscription = headwater.follow(RUN, {
    onStatus: ({ state }) => {
      if (state === "reconnecting") {
        setImmediate(() => subscription.close());
      }
    },
  });
  assert.deepEqual(await collect(subscription), []);
});

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

test("closed before it began, it asks for nothing", async () => {
  await using server = await serving(() => stream(OPENING + blocks(LOG)));
  const [headwater] = impatient(server);
  const subscription = headwater.follow(RUN);
  subscription.close();
  assert.deepEqual(await collect(subscription), []);
  assert.deepEqual(await collect(headwater.follow(RUN, { signal: AbortSignal.abort() })), []);
  assert.equal(server.asked.length, 0);
});

test("a caller's signal closes it", async () => {
  await using server = await serving(openFirst);
  const [headwater] = impatient(server);
  const caller = new AbortController();
  const records: ProtocolRecord[] = [];
  for await (const record of headwater.follow(RUN, { signal: caller.signal })) {
    records.push(record);
    if (record.seq === 2) {
      setImmediate(() => caller.abort());
    }
  }
  assert.deepEqual(records, LOG.slice(0, 2));
});

test("a caller that leaves the loop closes the connection", async () => {
  await using server = await serving(openFirst);
  const [headwater] = impatient(server);
  for await (const _ of headwater.follow(RUN)) {
    break;
  }
  while (server.connections > 0) {
    await new Promise(setImmediate);
  }
});

test("a cancel waits until the run is known", async () => {
  await using server = await serving((asked) =>
    asked.path.endsWith("/cancel") ? json({ id: RUN, state: "running" }, 202) : stream(OPENING + blocks(LOG)),
  );
  const [headwater] = impatient(server);
  const subscription = headwater.startAndFollow(REQUEST);
  const cancelled = subscription.cancel();
  assert.equal(subscription.run, null);
  await collect(subscription);
  assert.equal((await cancelled).id, RUN);
  assert.equal(subscription.run, RUN);
  assert.equal(server.asked.at(-1)?.path, `/api/v1/runs/${RUN}/cancel`);
});

test("a cancel of a run that could not be started is told why", async () => {
  await using server = await serving(() => problem(422, "UNSUPPORTED"));
  const [headwater] = impatient(server);
  const subscription = headwater.startAndFollow(REQUEST);
  const cancelled = subscription.cancel();
  await assert.rejects(collect(subscription), ServerError);
  await assert.rejects(cancelled, ServerError);
  const closed = headwater.startAndFollow(REQUEST);
  closed.close();
  await assert.rejects(closed.cancel(), Cancelled);
});

test("a start whose run is not said is not followed", async () => {
  const headers = { "Content-Type": "text/event-stream" };
  await using server = await serving(() => ({ ...stream(OPENING, "open"), headers }));
  const [headwater] = impatient(server);
  await assert.rejects(collect(headwater.startAndFollow(REQUEST)), { name: "MaxRetriesExceeded" });
  assert.equal(server.asked.length, 4);
  while (server.connections > 0) {
    await new Promise(setImmediate);
  }
});

const SNAPSHOT: ProtocolRecord = {
  seq: 2,
  t: 2,
  type: "snapshot",
  data: {
    snapshot: {
      seq: 2,
      text: "Hello wörld",
      parts: [{ index: 0, kind: "text", text: "Hello wörld" }],
      reasoning: "",
      refusal: "",
      value: null,
      tool_calls: [],
      calls: [],
      state: {},
      usage: null,
      finish_reason: null,
      error: null,
    },
  },
};

test("a snapshot is asked for once, and what follows it has no gap", async () => {
  const bodies = [[SNAPSHOT, ...LOG.slice(3)], LOG.slice(2)];
  await using server = await serving((asked) => stream(OPENING + blocks(bodies[asked.number - 1] ?? [])));
  const [headwater] = impatient(server);
  const records = await collect(headwater.follow(RUN, { fromSnapshot: true }));
  assert.deepEqual(records, [SNAPSHOT, ...LOG.slice(2)]);
  const queries = server.asked.map((asked) => asked.path.split("?")[1]);
  assert.deepEqual(queries, ["from=snapshot", "after=2"]);
});

test("a past in joined pieces may stand for a snapshot", async () => {
  const joined = { ...LOG[2], data: { content: "Hello wörld 🌊", index: 0 } } as ProtocolRecord;
  await using server = await serving(() => stream(OPENING + blocks([joined, ...LOG.slice(3)])));
  const [headwater] = impatient(server);
  assert.deepEqual(await collect(headwater.follow(RUN, { fromSnapshot: true })), [joined, ...LOG.slice(3)]);
});

test("a cursor wins over a snapshot, and must be one", async () => {
  await using server = await serving((asked) => stream(OPENING + blocks(LOG.slice(cursorOf(asked)))));
  const [headwater] = impatient(server);
  assert.deepEqual(await collect(headwater.follow(RUN, { after: 3, fromSnapshot: true })), LOG.slice(3));
  assert.equal(server.asked[0]?.path, `/api/v1/runs/${RUN}/events?after=3`);
  assert.throws(() => headwater.follow(RUN, { after: -1 }), RangeError);
  assert.throws(() => headwater.follow(RUN, { after: 1.5 }), RangeError);
});

test("a server that lives for a heartbeat is progress, though it says nothing", async (t) => {
  t.mock.timers.enable({ apis: ["Date"] });
  let alive = Promise.withResolvers<string>();
  await using server = await serving((asked) => {
    alive = Promise.withResolvers<string>();
    return asked.number < 6 ? { ...stream(OPENING, "open"), later: alive.promise } : stream(blocks(LOG));
  });
  const [headwater] = impatient(server, { followRetry: { triesMax: 1 } });
  const onStatus = ({ state }: FollowStatus): void => {
    if (state === "streaming") {
      t.mock.timers.tick(15_000);
      alive.resolve(": alive\n\n");
    }
  };
  assert.deepEqual(await collect(headwater.follow(RUN, { onStatus })), LOG);
  assert.equal(server.asked.length, 6);
});
