/** A record a line, under the same reader and service as event streams. The shared cases are in transports.test.ts. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { type Call, Headwater, NotFound, TimedOut } from "../src/index.ts";
import { eventSourceFetch, ndjsonFetch, pagesFetch } from "../src/transports.ts";
import { blocks, collect, cursorOf, impatient, json, lines, logOf, problem, REQUEST, RUN, stream } from "./run-log.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const LOG = logOf("Hello", " wörld\n", " 🌊");
const NDJSON = "application/x-ndjson";
const WHOLE = Buffer.from(String(lines(LOG).body));

async function serving(answer: (asked: Asked) => Answer): Promise<ScriptedServer> {
  return new ScriptedServer(answer).listen();
}

/** A `fetch` whose body comes in pieces of one byte. */
const byteByByte: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const one = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform: (bytes, controller) => bytes.forEach((_, at) => controller.enqueue(bytes.slice(at, at + 1))),
  });
  return new Response(response.body?.pipeThrough(one) ?? null, response);
};

test("lines are read to the final one, however their bytes come", async () => {
  await using server = await serving(() => lines(LOG));
  for (const plain of [fetch, byteByByte]) {
    const [headwater] = impatient(server, { fetch: ndjsonFetch({ fetch: plain }) });
    assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
  }
  assert.deepEqual(server.asked.map(({ headers }) => headers.accept), [NDJSON, NDJSON]);
});

test("lines that are cut at any byte go on behind the last whole one", async () => {
  let cut = 0;
  await using server = await serving((asked) =>
    asked.headers.accept === "application/json"
      ? json({ records: [], tail: LOG.length, last: cursorOf(asked), closed: true })
      : cursorOf(asked) === 0 && cut <= WHOLE.length && server.asked.filter(isFirst).length === 1
        ? { ...lines([]), body: WHOLE.subarray(0, cut), end: "cut" }
        : lines(LOG.slice(cursorOf(asked))),
  );
  const isFirst = (asked: Asked): boolean => cursorOf(asked) === 0;
  for (; cut <= WHOLE.length; cut += 1) {
    server.asked.length = 0;
    const [headwater] = impatient(server, { fetch: ndjsonFetch() });
    assert.deepEqual(await collect(headwater.follow(RUN)), LOG, `cut at ${cut}`);
    const whole = WHOLE.subarray(0, cut).filter((byte) => byte === 0x0a).length;
    assert.deepEqual(server.asked.map(cursorOf), whole === LOG.length ? [0] : [0, whole], `cut at ${cut}`);
  }
});

test("a run that is started is read as lines too, and started once", async () => {
  await using server = await serving(({ method }) => (method === "POST" ? json({ id: RUN }, 201) : lines(LOG)));
  const [headwater] = impatient(server, { fetch: ndjsonFetch() });
  const subscription = headwater.startAndFollow(REQUEST);
  assert.deepEqual(await collect(subscription), LOG);
  assert.equal(subscription.run, RUN);
  const asked = server.asked.map(({ method, headers }) => `${method} ${headers.accept}`);
  assert.deepEqual(asked, ["POST application/json", `GET ${NDJSON}`]);
});

test("a run that was started and can not be read is started once all the same", async () => {
  await using server = await serving(({ method, number }) =>
    method === "POST" ? json({ id: RUN }, 201) : number === 2 ? problem(503, "STORAGE", true) : lines(LOG),
  );
  const [headwater] = impatient(server, { fetch: ndjsonFetch() });
  assert.deepEqual(await collect(headwater.startAndFollow(REQUEST)), LOG);
  const keys = server.asked.filter(({ method }) => method === "POST").map(({ headers }) => headers["idempotency-key"]);
  assert.deepEqual([keys.length, new Set(keys).size], [2, 1]);
});

test("an empty line says that the server lives, and counts for no more", async () => {
  const { promise: later, resolve: say } = Promise.withResolvers<string>();
  await using server = await serving((asked) =>
    asked.number === 1 ? { ...lines([]), body: "\n", end: "open", later } : lines(LOG),
  );
  const { promise: streaming, resolve: streams } = Promise.withResolvers<void>();
  const [headwater] = impatient(server, { fetch: ndjsonFetch() });
  const onStatus = ({ state }: { state: string }): void => void (state === "streaming" && streams());
  const reading = collect(headwater.follow(RUN, { onStatus }));
  await streaming;
  say("\n\n");
  assert.deepEqual(await reading, LOG);
  assert.deepEqual(server.asked.map(cursorOf), [0, 0]);
});

test("silence is death, also before the first line", async () => {
  await using server = await serving(({ number }) => (number < 3 ? { ...lines([]), end: "open" } : lines(LOG)));
  const errors: unknown[] = [];
  const [headwater] = impatient(server, { fetch: ndjsonFetch(), timing: { heartbeatMs: 20, sleep: async () => {} } });
  const onStatus = ({ error }: { error?: unknown }): void => void (error !== undefined && errors.push(error));
  assert.deepEqual(await collect(headwater.follow(RUN, { onStatus })), LOG);
  assert.ok(errors.length === 2 && errors.every((error) => error instanceof TimedOut), String(errors));
});

test("a refusal is the server's own", async () => {
  await using server = await serving(() => problem(404, "NOT_FOUND"));
  await assert.rejects(collect(impatient(server, { fetch: ndjsonFetch() })[0].follow(RUN)), NotFound);
});

test("reading ends with its reader", async () => {
  await using server = await serving(() => ({ ...lines(LOG.slice(0, 1)), end: "open" }));
  const subscription = impatient(server, { fetch: ndjsonFetch() })[0].follow(RUN);
  for await (const _ of subscription) {
    subscription.close();
  }
  while (server.connections > 0) {
    await new Promise(setImmediate);
  }
});

test("only a run's events are read as lines, and a snapshot is one", async () => {
  await using server = await serving(({ headers, path }) => (headers.accept === NDJSON ? lines(LOG) : json({ path })));
  const headers = { Authorization: "Bearer k" };
  const headwater = new Headwater({ baseUrl: server.url, fetch: ndjsonFetch(), headers });
  const call: Call = { method: "GET", path: "/api/v1/events", query: { run: RUN } };
  await headwater.parts.http.open(call, 1000, new AbortController().signal);
  assert.deepEqual(await collect(headwater.follow(RUN, { fromSnapshot: true })), LOG);
  assert.deepEqual(server.asked.map(({ headers }) => headers.accept), ["text/event-stream", NDJSON]);
  assert.ok(server.asked.every(({ headers }) => headers.authorization === "Bearer k"));
  assert.match(server.asked[1]?.path ?? "", /events\?from=snapshot$/);
});

test("a reader changes between the ways to the server at any seq", async () => {
  await using server = await serving((asked) => {
    const records = LOG.slice(cursorOf(asked));
    const page = { records, tail: LOG.length, last: LOG.length, closed: true };
    const { accept } = asked.headers;
    return accept === NDJSON ? lines(records) : accept === "application/json" ? json(page) : stream(blocks(records));
  });
  const ways = [fetch, ndjsonFetch(), pagesFetch(), eventSourceFetch()];
  for (const before of ways) {
    for (const behind of ways) {
      for (let seq = 1; seq < LOG.length; seq += 1) {
        const first = impatient(server, { fetch: before })[0].follow(RUN);
        const seen = [];
        for await (const record of first) {
          seen.push(record);
          if (record.seq === seq) {
            first.close();
          }
        }
        const rest = impatient(server, { fetch: behind })[0].follow(RUN, { after: first.cursor });
        assert.deepEqual([...seen, ...(await collect(rest))], LOG);
      }
    }
  }
});
