/** Some of a run's records, by their types, over each way to the server. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { followTypes } from "../src/by-type.ts";
import { type HeadwaterOptions, NotFound, ParseError, type ProtocolRecord } from "../src/index.ts";
import { ndjsonFetch, pagesFetch } from "../src/transports.ts";
import { webSocketFetch } from "../src/websocket.ts";
import { blocks, collect, cursorOf, impatient, json, lines, logOf, OPENING, problem, RUN, stream } from "./run-log.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";
import { type Heard, type Says, SocketServer } from "./socket-server.ts";

const TOKENS = logOf("a", "b", "c", "d", "e", "f");
/** Steps among the tokens; the final record is of none of the types that are asked for. */
const LOG = TOKENS.map((record): ProtocolRecord =>
  record.seq === 2 || record.seq === 4
    ? { ...record, type: "log", data: { level: "info", message: `${record.seq}` } }
    : record,
);
const STEPS = LOG.filter(({ type }) => type === "log");
const TYPES = ["status", "log"] as const;
const TAIL = LOG.length;

const stepsAfter = (seq: number): ProtocolRecord[] => STEPS.filter((step) => step.seq > seq);
const typesOf = ({ path }: Asked): string | null => new URLSearchParams(path.split("?")[1]).get("types");

async function serving(answer: (asked: Asked) => Answer): Promise<ScriptedServer> {
  return new ScriptedServer(answer).listen();
}

test("steps come without the tokens, and the cursor moves over those", async () => {
  await using server = await serving((asked) =>
    asked.number === 1
      ? stream(`${OPENING}id: 1\n\n${blocks(STEPS.slice(0, 1))}id: 3\n\n`, "cut")
      : asked.number === 2
        ? stream(`${OPENING}${blocks(stepsAfter(cursorOf(asked)))}id: ${TAIL}\n\n`)
        : { status: 204 },
  );
  const states: string[] = [];
  const onStatus = ({ state }: { state: string }): void => void states.push(state);
  const steps = followTypes(impatient(server)[0], RUN, TYPES, { onStatus });
  assert.deepEqual(await collect(steps), STEPS);
  assert.equal(steps.cursor, TAIL);
  assert.deepEqual(server.asked.map(cursorOf), [0, 3, TAIL]);
  assert.ok(server.asked.every((asked) => typesOf(asked) === "status,log"));
  assert.deepEqual(states.slice(-2), ["connecting", "ended"]);
});

test("what can not be read is asked for again, and the cursor stays before it", async () => {
  await using server = await serving((asked) =>
    asked.number === 1
      ? stream(`${blocks(STEPS.slice(0, 1))}id: 4\ndata: {"seq":4}\n\nid: 6\n\n`)
      : stream(blocks([...stepsAfter(cursorOf(asked)), ...LOG.slice(-1)])),
  );
  const errors: unknown[] = [];
  const onStatus = ({ error }: { error?: unknown }): void => void (error !== undefined && errors.push(error));
  const steps = followTypes(impatient(server)[0], RUN, ["log", "complete"], { onStatus });
  assert.deepEqual(await collect(steps), [...STEPS, ...LOG.slice(-1)]);
  assert.deepEqual(server.asked.map(cursorOf), [0, 2]);
  assert.ok(errors.length === 1 && errors[0] instanceof ParseError, String(errors));
});

test("a record that comes again is dropped, and a caller may leave", async () => {
  await using server = await serving(() => stream(blocks([...STEPS, ...STEPS]), "open"));
  const steps = followTypes(impatient(server)[0], RUN, TYPES, { after: 3 });
  const seen: ProtocolRecord[] = [];
  for await (const step of steps) {
    seen.push(step);
    steps.close();
  }
  assert.deepEqual(seen, STEPS.slice(1));
  while (server.connections > 0) {
    await new Promise(setImmediate);
  }
});

test("a refusal ends it, and a cursor is one", async () => {
  await using server = await serving(() => problem(404, "NOT_FOUND"));
  const [headwater] = impatient(server);
  await assert.rejects(collect(followTypes(headwater, RUN, TYPES)), NotFound);
  assert.throws(() => followTypes(headwater, RUN, TYPES, { after: -1 }), RangeError);
});

/** A server of lines and of pages that are filtered. */
function filtered(asked: Asked): Answer {
  const records = stepsAfter(cursorOf(asked));
  assert.equal(typesOf(asked), "status,log");
  return asked.headers.accept === "application/json"
    ? json({ records, tail: TAIL, last: TAIL, closed: true })
    : lines(records);
}

for (const [name, transport] of [
  ["lines", ndjsonFetch()],
  ["pages", pagesFetch()],
] as const) {
  test(`${name} end where nothing of these types is left`, async () => {
    await using server = await serving(filtered);
    const steps = followTypes(impatient(server, { fetch: transport })[0], RUN, TYPES);
    assert.deepEqual(await collect(steps), STEPS);
    assert.ok(server.asked.length <= 3);
  });
}

const overSocket = (server: SocketServer, options: HeadwaterOptions = {}) =>
  impatient(server as unknown as ScriptedServer, { fetch: webSocketFetch(), ...options })[0];

test("a socket is asked for the types, and says where the cursor is", async () => {
  await using server = await new SocketServer(({ message: { id, op, run, after }, connection }: Heard): Says => {
    const end = { run, end: { reason: "closed", tail: TAIL } };
    if (op !== "subscribe") {
      return [{ id, ok: {} }];
    }
    const told = stepsAfter(Number(after)).map((record) => ({ run, record }));
    const ok = { id, ok: { run, after } };
    const moved = (seq: number): object => ({ run, after: seq });
    return connection === 1 ? [ok, ...told.slice(0, 1), moved(3), "cut"] : [ok, ...told, moved(5), end];
  }).listen();
  const steps = followTypes(overSocket(server), RUN, TYPES);
  assert.deepEqual(await collect(steps), STEPS);
  const subscribed = server.heard.filter(({ message }) => message.op === "subscribe");
  assert.deepEqual(subscribed.map(({ message }) => message.after), [0, 3, TAIL]);
  assert.ok(subscribed.every(({ message }) => String(message.types) === "status,log"));
});

test("a socket that is let go of before it is open is closed when it is", async () => {
  await using server = await new SocketServer(() => []).listen();
  const states: number[] = [];
  class Noted extends WebSocket {
    override close(): void {
      states.push(this.readyState);
      super.close();
    }
  }
  const headwater = overSocket(server, { fetch: webSocketFetch({ WebSocket: Noted }) });
  // The socket is made in the same breath.
  const steps = followTypes(headwater, RUN, TYPES, { onStatus: () => queueMicrotask(() => steps.close()) });
  assert.deepEqual(await collect(steps), []);
  while (states.length === 0) {
    await new Promise(setImmediate);
  }
  assert.deepEqual(states, [WebSocket.OPEN]);
});
