/** Other transports under the same reader and service: EventSource, pages, and one after the other. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Headwater, NotFound, type ProtocolRecord } from "../src/index.ts";
import { eventSourceFetch, fallbackFetch, ndjsonFetch, pagesFetch } from "../src/transports.ts";
import { FOLLOW, PAGES, type PagesCase } from "./cases.ts";
import {
  blocks,
  collect,
  cursorOf,
  impatient,
  json,
  lines,
  logOf,
  OPENING,
  problem,
  REQUEST,
  RUN,
  stream,
} from "./run-log.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const LOG = logOf("Hello", " wörld\n", " 🌊");

async function serving(answer: (asked: Asked) => Answer): Promise<ScriptedServer> {
  return new ScriptedServer(answer).listen();
}

test("an EventSource that breaks is opened again behind the cursor", async () => {
  await using server = await serving((asked) =>
    asked.number === 1
      ? stream(OPENING + blocks(LOG.slice(0, 2)), "cut")
      : stream(OPENING + blocks(LOG.slice(cursorOf(asked)))),
  );
  const [headwater, waitsMs] = impatient(server, { fetch: eventSourceFetch() });
  assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
  assert.deepEqual(server.asked.map(cursorOf), [0, 2]);
  assert.equal(waitsMs.length, 1);
});

test("why an EventSource was refused is asked for with fetch", async () => {
  await using server = await serving(() => problem(404, "NOT_FOUND"));
  const [headwater] = impatient(server, { fetch: eventSourceFetch() });
  await assert.rejects(collect(headwater.follow(RUN)), NotFound);
  assert.equal(server.asked.length, 2);
});

test("a closed log ends an EventSource", async () => {
  await using server = await serving(() => ({ status: 204 }));
  const [headwater] = impatient(server, { fetch: eventSourceFetch() });
  assert.deepEqual(await collect(headwater.follow(RUN, { after: 4 })), []);
});

test("an EventSource ends with its reader", async () => {
  await using server = await serving(() => stream(OPENING + blocks(LOG.slice(0, 1)), "open"));
  const [headwater] = impatient(server, { fetch: eventSourceFetch() });
  const subscription = headwater.follow(RUN);
  for await (const _ of subscription) {
    subscription.close();
  }
  while (server.connections > 0) {
    await new Promise(setImmediate);
  }
  assert.equal(server.asked.length, 1);
});

test("what an EventSource can not send goes over fetch", async () => {
  await using server = await serving(() => stream(blocks(LOG)));
  const [headwater] = impatient(server, { fetch: eventSourceFetch(), headers: { Authorization: "Bearer k" } });
  assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
  assert.equal(server.asked[0]?.headers.authorization, "Bearer k");
});

test("a run that is started is read as pages too, and started once", async () => {
  await using server = await serving((asked) =>
    asked.method === "POST"
      ? json({ id: RUN, state: "queued" }, 201)
      : json({ records: LOG, tail: LOG.length, last: LOG.length, closed: true }),
  );
  const [headwater] = impatient(server, { fetch: pagesFetch() });
  const subscription = headwater.startAndFollow(REQUEST);
  assert.deepEqual(await collect(subscription), LOG);
  assert.equal(subscription.run, RUN);
  assert.deepEqual(server.asked.map((asked) => asked.method), ["POST", "GET"]);
  assert.ok(server.asked.every((asked) => asked.headers.accept === "application/json"));
});

test("only a run's events are read as pages", async () => {
  await using server = await serving((asked) =>
    asked.headers.accept === "application/json" && asked.path.includes("/events")
      ? json({ records: LOG, tail: LOG.length, last: LOG.length, closed: true })
      : json({ id: RUN }),
  );
  const [headwater] = impatient(server, { fetch: pagesFetch(), headers: { Authorization: "Bearer k" } });
  assert.equal((await headwater.get(RUN)).id, RUN);
  assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
  assert.deepEqual(server.asked.map((asked) => asked.headers.authorization), ["Bearer k", "Bearer k"]);
});

test("the first transport is tried again after a while, and one more failure is enough", async () => {
  await using server = await serving((asked) =>
    asked.headers.accept === "application/json"
      ? json({ records: LOG, tail: LOG.length, last: LOG.length, closed: true })
      : { headers: { "Content-Type": "text/html" }, body: "<h1>Sign in</h1>" },
  );
  let now = 0;
  const used: string[] = [];
  const onChange = (to: string): void => void used.push(to);
  const transport = fallbackFetch(fetch, pagesFetch(), { now: () => now, returnMs: 1000, onChange });
  const [headwater] = impatient(server, { fetch: transport });
  for (now of [0, 999, 1000]) {
    assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
  }
  assert.deepEqual(used, ["second", "first", "second"]);
});

test("a client turns to the second transport before it has tried often enough to give up", async () => {
  await using server = await serving((asked) =>
    asked.headers.accept === "application/json"
      ? json({ records: LOG, tail: LOG.length, last: LOG.length, closed: true })
      : { lost: true },
  );
  const [headwater, waitsMs] = impatient(server, { fetch: fallbackFetch(fetch, pagesFetch()) });
  assert.deepEqual(await collect(headwater.follow(RUN)), LOG);
  assert.deepEqual(waitsMs, [1000, 2000, 4000]);
});

const FIRST: Readonly<Record<string, typeof fetch>> = { sse: fetch, ndjson: ndjsonFetch(), "long-poll": pagesFetch() };

for (const each of PAGES.filter(({ start, fallback }) => !start && fallback !== false)) {
  test(`pages: ${each.name}`, () => checkPages(each));
}

async function checkPages(each: PagesCase): Promise<void> {
  await using server = await serving((asked) => answerOf(each, asked));
  const waitsMs: number[] = [];
  const sleep = async (ms: number): Promise<void> => void waitsMs.push(ms);
  const headwater = new Headwater({
    baseUrl: server.url,
    random: () => 1,
    timing: { sleep },
    followRetry: { triesMax: each.error === undefined ? 9 : 3 },
    // After as many streams as the Python client, which turns to pages itself when its three tries are over.
    fetch: fallbackFetch(FIRST[each.via ?? "sse"] ?? assert.fail(each.via), pagesFetch(), { failuresMax: 4 }),
  });
  const seen: ProtocolRecord[] = [];
  const reading = (async () => {
    for await (const record of headwater.follow(RUN, { after: each.after ?? 0 })) {
      seen.push(record);
    }
  })();
  if (each.error === undefined) {
    await reading;
  } else {
    await assert.rejects(reading, { name: each.error.name, code: each.error.code });
  }
  assert.deepEqual(seen.map(({ seq }) => seq), each.sees);
  assert.deepEqual(server.asked.map(question), each.requests);
}

function question(asked: Asked): string {
  const form = { "application/json": "page ", "application/x-ndjson": "lines " }[asked.headers.accept ?? ""] ?? "";
  return `${form}after=${cursorOf(asked)}`;
}

function answerOf(each: PagesCase, asked: Asked): Answer {
  const answer = each.answers[Math.min(asked.number, each.answers.length) - 1];
  const log = FOLLOW.log;
  if (answer === "page rest") {
    const records = log.slice(cursorOf(asked));
    return json({ records, tail: log.length, last: records.at(-1)?.seq ?? cursorOf(asked), closed: true });
  }
  if (answer === undefined || typeof answer === "string") {
    throw new Error(`the case has no such answer: ${answer}`);
  }
  if (answer.page !== undefined) {
    const records = answer.page.map((seq) => log[seq - 1]);
    const last = answer.page.at(-1) ?? cursorOf(asked);
    return json({ records, tail: log.length, last, closed: answer.closed ?? false });
  }
  if (answer.lines !== undefined) {
    return lines(answer.lines.map((seq) => log[seq - 1] as ProtocolRecord), answer.end ?? "clean");
  }
  if (answer.send !== undefined) {
    const block = (seq: number): string => blocks([log[seq - 1] as ProtocolRecord]);
    const sent = answer.send.map((item) => (item === "opening" ? OPENING : block(Number(item))));
    return stream(sent.join(""), answer.end ?? "clean");
  }
  if (answer.problem !== undefined) {
    return { ...json(answer.problem, answer.status ?? 500) };
  }
  return answer.lost ? { lost: true } : { headers: answer.headers ?? {}, body: answer.body ?? "", framing: "length" };
}
