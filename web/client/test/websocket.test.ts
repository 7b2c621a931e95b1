/** Runs over one WebSocket, under the same reader and service as event streams. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Headwater, type HeadwaterOptions, MaxRetriesExceeded, NotFound, type ProtocolRecord } from "../src/index.ts";
import { sleep } from "../src/follower.ts";
import { fallbackFetch } from "../src/transports.ts";
import { webSocketFetch } from "../src/websocket.ts";
import { blocks, collect, logOf, OPENING, REQUEST, RUN, stream } from "./run-log.ts";
import { ScriptedServer } from "./scripted-server.ts";
import { type Heard, type Says, SocketServer } from "./socket-server.ts";

const LOG = logOf("Hello", " wörld\n", " 🌊");
const OTHER = RUN.replace(/1$/, "2");

async function serving(answer: (heard: Heard) => Says): Promise<SocketServer> {
  return new SocketServer(answer).listen();
}

function clientOf(server: { readonly url: string }, options: HeadwaterOptions = {}): Headwater {
  const timing = { sleep: async () => {}, ...options.timing };
  return new Headwater({ baseUrl: server.url, random: () => 1, fetch: webSocketFetch(), ...options, timing });
}

const ok = ({ message }: Heard, more: object = {}): object => ({ id: message.id, ok: { run: message.run, ...more } });

function records(run: unknown, log: readonly ProtocolRecord[]): object[] {
  return log.map((record) => ({ run, record }));
}

const end = (run: unknown): object => ({ run, end: { reason: "closed", tail: LOG.length } });

/** What a server does that knows every run, and has this log for it. */
function served(heard: Heard): Says {
  const { id, op, run, after } = heard.message;
  if (op === "start") {
    return [{ id, ok: { run: RUN, created: true, subscribed: true } }, ...records(RUN, LOG), end(RUN)];
  }
  return op === "subscribe" ? [ok(heard), ...records(run, LOG.slice(Number(after))), end(run)] : [ok(heard)];
}

const asked = (server: SocketServer): unknown[] =>
  server.heard.filter(({ message }) => message.op !== "ping").map(({ message: { op, after } }) => after ?? op);

test("a run is read, and its socket is closed behind it", async () => {
  await using server = await serving(served);
  assert.deepEqual(await collect(clientOf(server).follow(RUN)), LOG);
  assert.deepEqual(asked(server), [0]);
  while (server.open.size > 0) {
    await new Promise(setImmediate);
  }
});

test("a run is started and read over the socket", async () => {
  await using server = await serving(served);
  const subscription = clientOf(server).startAndFollow(REQUEST, { idempotencyKey: "k" });
  assert.deepEqual(await collect(subscription), LOG);
  assert.equal(subscription.run, RUN);
  assert.deepEqual(server.heard[0]?.message, { id: 1, op: "start", request: REQUEST, idempotency_key: "k" });
});

test("several runs share a socket", async () => {
  const held = new Map<unknown, Heard>();
  await using server = await serving((heard) => {
    if (heard.message.op === "subscribe") {
      held.set(heard.message.id, heard);
      const all = [...records(RUN, LOG), end(RUN), ...records(OTHER, LOG), end(OTHER)];
      return [ok(heard), ...(held.size < 2 ? [] : all)];
    }
    return [ok(heard)];
  });
  const headwater = clientOf(server);
  const both = await Promise.all([collect(headwater.follow(RUN)), collect(headwater.follow(OTHER))]);
  assert.deepEqual(both, [LOG, LOG]);
  assert.equal(server.connections, 1);
});

test("a run that is read twice has two sockets", async () => {
  await using server = await serving(served);
  const headwater = clientOf(server);
  assert.deepEqual(await Promise.all([collect(headwater.follow(RUN)), collect(headwater.follow(RUN))]), [LOG, LOG]);
  assert.equal(server.connections, 2);
});

test("a socket that breaks is opened again behind the cursor", async () => {
  await using server = await serving((heard) =>
    heard.connection === 1 && heard.message.op === "subscribe"
      ? [ok(heard), ...records(RUN, LOG.slice(0, 2)), "cut"]
      : served(heard),
  );
  assert.deepEqual(await collect(clientOf(server).follow(RUN)), LOG);
  assert.deepEqual(asked(server), [0, 2]);
});

for (const [when, order] of [
  ["at once", "before"],
  ["after a while", "behind"],
] as const) {
  test(`a log that is closed behind the cursor ends, told of ${when}`, async () => {
    await using server = await serving((heard) => {
      const isPing = heard.message.op === "ping";
      return [ok(heard), ...(isPing === (order === "behind") ? [end(RUN)] : [])];
    });
    assert.deepEqual(await collect(clientOf(server).follow(RUN, { after: LOG.length })), []);
    assert.equal(server.connections, 1);
  });
}

test("a refusal is the one that HTTP would answer with", async () => {
  const refused = { status: 404, code: "NOT_FOUND", title: "T", detail: "Said.", retryable: false };
  await using server = await serving(({ message: { id } }) => [{ id, error: refused }]);
  await assert.rejects(collect(clientOf(server).follow(RUN)), (error) => {
    assert.ok(error instanceof NotFound);
    assert.deepEqual([error.status, error.message], [404, "Said."]);
    return true;
  });
});

test("what a server asks to wait for is waited for", async () => {
  const refused = { status: 503, code: "DRAINING", detail: "Later.", retryable: true, retry_after_s: 2 };
  await using server = await serving((heard) =>
    heard.connection === 1 ? [{ id: heard.message.id, error: refused }] : served(heard),
  );
  const waitsMs: number[] = [];
  const nap = async (ms: number): Promise<void> => void waitsMs.push(ms);
  assert.deepEqual(await collect(clientOf(server, { timing: { sleep: nap } }).follow(RUN)), LOG);
  assert.deepEqual(waitsMs, [3000]);
});

test("a request that the server could not read is told so, though the answer has no id", async () => {
  const refused = { status: 400, code: "BAD_REQUEST", detail: "No.", retryable: false };
  await using server = await serving(() => [{ id: null, error: refused }]);
  await assert.rejects(collect(clientOf(server).startAndFollow(REQUEST)), { status: 400 });
});

test("a server that goes away says when to come back", async () => {
  await using server = await serving((heard) =>
    heard.connection === 1 && heard.message.op === "subscribe"
      ? [ok(heard), ...records(RUN, LOG.slice(0, 1)), { farewell: { retry_ms: 731 } }, "cut"]
      : served(heard),
  );
  const waitsMs: number[] = [];
  const nap = async (ms: number): Promise<void> => void waitsMs.push(ms);
  assert.deepEqual(await collect(clientOf(server, { timing: { sleep: nap } }).follow(RUN)), LOG);
  assert.deepEqual(waitsMs, [731]);
});

test("a silent socket is left by all its readers, for another one", async () => {
  await using server = await serving((heard) => (heard.connection === 1 ? [] : served(heard)));
  const heartbeatMs = 40;
  const headwater = clientOf(server, { timing: { heartbeatMs, sleep }, fetch: webSocketFetch({ heartbeatMs }) });
  const both = await Promise.all([collect(headwater.follow(RUN)), collect(headwater.follow(OTHER))]);
  assert.deepEqual(both, [LOG, LOG]);
});

test("a reader that leaves is unsubscribed, and the others read on", async () => {
  let left: () => void = () => {};
  const hasLeft = new Promise<void>((resolve) => (left = resolve));
  await using server = await serving((heard) => {
    const { op, run } = heard.message;
    if (op === "unsubscribe") {
      left();
      return [ok(heard), ...records(OTHER, LOG), end(OTHER)];
    }
    return [ok(heard), ...(run === RUN && op === "subscribe" ? records(RUN, LOG.slice(0, 1)) : [])];
  });
  const headwater = clientOf(server);
  const other = collect(headwater.follow(OTHER));
  const subscription = headwater.follow(RUN);
  for await (const _ of subscription) {
    subscription.close();
  }
  await hasLeft;
  assert.deepEqual(await other, LOG);
  assert.equal(server.connections, 1);
});

test("what a socket can not send goes over fetch", async () => {
  const answer = () => stream(OPENING + blocks(LOG));
  await using server = await new ScriptedServer(answer).listen();
  const headwater = clientOf(server, { headers: { Authorization: "Bearer k" } });
  assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
  assert.equal(server.asked[0]?.headers.authorization, "Bearer k");
});

test("where sockets are not let through, event streams are read", async () => {
  await using server = await new ScriptedServer(({ headers }) =>
    headers.upgrade === undefined ? stream(OPENING + blocks(LOG)) : { status: 403 },
  ).listen();
  const transport = fallbackFetch(webSocketFetch(), fetch);
  assert.deepEqual(await collect(clientOf(server, { fetch: transport }).follow(RUN)), LOG);
});

test("where sockets are not let through, a run is started all the same", async () => {
  await using server = await new ScriptedServer(({ headers, method }) =>
    headers.upgrade === undefined && method === "POST" ? stream(OPENING + blocks(LOG)) : { status: 403 },
  ).listen();
  const subscription = clientOf(server).startAndFollow(REQUEST);
  assert.deepEqual(await collect(subscription), LOG);
  assert.equal(subscription.run, RUN);
});

test("where the platform gives no socket, runs are started and read all the same", async () => {
  await using server = await new ScriptedServer(() => stream(OPENING + blocks(LOG))).listen();
  const Refused = class {
    constructor() {
      throw new DOMException("The page is secure, and the socket would not be", "SecurityError");
    }
  };
  const transport = webSocketFetch({ WebSocket: Refused as unknown as typeof WebSocket });
  const client = clientOf(server, { fetch: fallbackFetch(transport, fetch) });
  assert.deepEqual(await collect(client.startAndFollow(REQUEST)), LOG);
  assert.deepEqual(await collect(client.follow(RUN)), LOG);
});

test("without a server a start is given up", async () => {
  const server = await serving(() => []);
  const { url } = server;
  await server[Symbol.asyncDispose]();
  await assert.rejects(collect(clientOf({ url }).startAndFollow(REQUEST)), MaxRetriesExceeded);
});
