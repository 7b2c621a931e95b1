/** What a page shows of a stream: the table of its states, and the states that real streams go through. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CursorStore } from "../src/cursor-store.ts";
import { emptySnapshot, fold } from "../src/fold.ts";
import type { HeadwaterOptions } from "../src/index.ts";
import { nextState, STREAM_STATES, type StreamSignal, type StreamState } from "../src/stream-state.ts";
import { StreamStore, type StreamStoreOptions } from "../src/stream-store.ts";
import { pagesFetch } from "../src/transports.ts";
import { blocks, cursorOf, impatient, json, logOf, OPENING, problem, REQUEST, RUN, stream } from "./run-log.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const LOG = logOf("Hello", " wörld");

/** The store, and every state that it showed, without repeats. */
function watched(
  server: ScriptedServer,
  client: HeadwaterOptions = {},
  options: Partial<StreamStoreOptions> = {},
): [StreamStore, StreamState[]] {
  const headwater = impatient(server, client)[0];
  const store = new StreamStore({ headwater, schedule: (tell) => tell(), ...options });
  const states: StreamState[] = [store.view().state];
  store.subscribe(() => {
    const { state } = store.view();
    if (state !== states.at(-1)) {
      states.push(state);
    }
  });
  return [store, states];
}

async function serving(answer: (asked: Asked) => Answer): Promise<ScriptedServer> {
  return new ScriptedServer(answer).listen();
}

test("every state can begin again and be left, and an end has no other way out", () => {
  const ends: StreamState[] = ["complete", "partial", "failed"];
  for (const [state, row] of Object.entries(STREAM_STATES)) {
    assert.equal(row.start, "connecting");
    assert.equal(row.reset, "idle");
    assert.equal(Object.keys(row).length > 2, state !== "idle" && !ends.includes(state as StreamState));
  }
  const reached = new Set(Object.values(STREAM_STATES).flatMap((row) => Object.values(row)));
  assert.deepEqual([...reached].sort(), Object.keys(STREAM_STATES).sort());
  assert.equal(nextState("complete", "lost"), "complete");
  assert.equal(nextState("fallback", "open" satisfies StreamSignal), "fallback");
});

test("a run that is started, broken off and whole", async () => {
  await using server = await serving((asked) =>
    asked.number === 1
      ? stream(OPENING + blocks(LOG.slice(0, 1)), "cut")
      : stream(OPENING + blocks(LOG.slice(cursorOf(asked)))),
  );
  const [store, states] = watched(server);
  await store.start(REQUEST);
  assert.deepEqual(states, ["idle", "connecting", "streaming", "reconnecting", "streaming", "complete"]);
  const { run, snapshot, error } = store.view();
  assert.deepEqual([run, snapshot.text, error], [RUN, "Hello wörld", null]);
  store.reset();
  assert.deepEqual(store.view(), { state: "idle", run: null, snapshot: emptySnapshot(), error: null, attempt: 0 });
});

test("where streams never come it goes on without one", async () => {
  await using server = await serving((asked) =>
    asked.headers.accept === "application/json"
      ? json({ records: LOG.slice(cursorOf(asked)), tail: LOG.length, last: LOG.length, closed: true })
      : stream(OPENING + blocks(LOG.slice(cursorOf(asked), 1)), "cut"),
  );
  const fallback = impatient(server, { fetch: pagesFetch() })[0];
  const [store, states] = watched(server, { followRetry: { triesMax: 1 } }, { fallback });
  await store.follow(RUN);
  assert.deepEqual(states.slice(-2), ["fallback", "complete"]);
  assert.equal(store.view().snapshot.text, "Hello wörld");
});

test("an end that is none says so, with what there is", async () => {
  const data = { code: "TIMEOUT", message: "Too slow.", retryable: true };
  const end = (seq: number, type: string, more: object): string =>
    `data: ${JSON.stringify({ seq, t: 9, type, data: more })}\n\n`;
  const answers: [Answer, StreamState, string][] = [
    [stream(blocks(LOG.slice(0, 1)) + end(2, "error", data)), "partial", "TIMEOUT"],
    [stream(end(1, "error", data)), "failed", "TIMEOUT"],
    [stream(blocks(LOG.slice(0, 1)) + end(2, "cancelled", { by: "user", partial_bytes: 5 })), "partial", "CANCELLED"],
    [problem(404, "NOT_FOUND"), "failed", "NOT_FOUND"],
  ];
  for (const [answer, state, code] of answers) {
    await using server = await serving(() => answer);
    const [store, states] = watched(server);
    await store.follow(RUN);
    assert.deepEqual([states.at(-1), store.view().error?.code], [state, code]);
  }
});

/** A store that has the first record of the run. */
function keptUpToTheFirst(): CursorStore {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  const cursors = new CursorStore({ storage });
  cursors.save(RUN, fold(emptySnapshot(), LOG[0] as (typeof LOG)[number]));
  return cursors;
}

test("what is kept over a reload is gone on from, and forgotten at the end", async () => {
  const cursors = keptUpToTheFirst();
  await using server = await serving((asked) => stream(blocks(LOG.slice(cursorOf(asked)))));
  const [store] = watched(server, {}, { cursors });
  await store.follow(RUN);
  assert.deepEqual(server.asked.map(cursorOf), [1]);
  assert.equal(store.view().snapshot.text, "Hello wörld");
  assert.equal(cursors.load(RUN), null);
});

test("what was kept and is taken back is read again from the beginning", async () => {
  const cursors = keptUpToTheFirst();
  const attempt = { call: 1, number: 2, reason: "NETWORK", provider: "p", model: "m", supersedes_from: 1 };
  const again = [
    LOG[0],
    { seq: 2, t: 2, type: "attempt", data: attempt },
    { seq: 3, t: 3, type: "chunk", data: { content: "Bye", index: 0 } },
    { seq: 4, t: 4, type: "complete", data: { finish_reason: "stop", usage: {} } },
  ].map((record) => `data: ${JSON.stringify(record)}\n\n`);
  await using server = await serving((asked) => stream(again.slice(cursorOf(asked)).join("")));
  const [store] = watched(server, {}, { cursors });
  await store.follow(RUN);
  assert.deepEqual(server.asked.map(cursorOf), [1, 0]);
  assert.deepEqual([store.view().state, store.view().snapshot.text], ["complete", "Bye"]);
});

test("another question leaves the one before, and a close ends the connection", async () => {
  await using server = await serving(() => stream(OPENING + blocks(LOG.slice(0, 1)), "open"));
  const [store] = watched(server);
  const first = store.follow(RUN);
  while (store.view().snapshot.text === "") {
    await new Promise(setImmediate);
  }
  const second = store.follow(`${RUN}2`);
  await first;
  while (store.view().snapshot.text === "") {
    await new Promise(setImmediate);
  }
  assert.equal(store.view().run, `${RUN}2`);
  store.close();
  await second;
  assert.equal(store.view().state, "streaming");
});
