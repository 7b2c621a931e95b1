/** Tabs of one browser, as far as Node has what they are made of; Chromium's are in tests/browser. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Headwater, NotFound, type ProtocolRecord, type Subscription } from "../src/index.ts";
import { followMany } from "../src/many.ts";
import { type SharedFetch, sharedFetch } from "../src/shared.ts";
import { logOf, OPENING } from "./run-log.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const LOG = logOf("Hello", " wörld", "!");

/** What was asked of the connection of all: its runs, each with its cursor. */
function placesOf(asked: Asked): string[] {
  return new URLSearchParams(asked.path.split("?")[1]).getAll("run");
}

/** The records behind the cursors that were asked for, up to a seq, and then nothing: the connection stays. */
function told(asked: Asked, upTo = LOG.length): Answer {
  const blocks = placesOf(asked).flatMap((place) => {
    const [run, after] = place.split(":");
    return LOG.slice(Number(after), upTo).map((record) => `data: ${JSON.stringify({ run, ...record })}\n\n`);
  });
  const headers = { "Content-Type": "text/event-stream" };
  return { headers, body: OPENING + blocks.join(""), end: "open" };
}

interface OneTab {
  readonly headwater: Headwater;
  readonly follow: (run: string, after?: number) => Subscription;
  readonly close: () => void;
}

class Browser {
  readonly #tabs: SharedFetch[] = [];
  readonly #server: ScriptedServer;
  readonly #left = new AbortController();
  readonly #name = `test ${crypto.randomUUID()}`;

  constructor(server: ScriptedServer) {
    this.#server = server;
  }

  tab(): OneTab {
    const baseUrl = this.#server.url;
    const shared = sharedFetch({ baseUrl, name: this.#name });
    this.#tabs.push(shared);
    const timing = { sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };
    // Its waits are none, so it tries for as long as another tab takes.
    const followRetry = { triesMax: Number.POSITIVE_INFINITY };
    const headwater = new Headwater({ baseUrl, fetch: shared, timing, followRetry });
    const { signal } = this.#left;
    const follow = (run: string, after = 0): Subscription => headwater.follow(run, { after, signal });
    return { headwater, follow, close: () => shared.close() };
  }

  [Symbol.dispose](): void {
    this.#left.abort();
    for (const tab of this.#tabs) {
      tab.close();
    }
  }
}

/** What a subscription gives, and a promise for each number of records. */
class Reading {
  readonly seqs: number[] = [];
  readonly done: Promise<void>;
  #heard = (): void => {};

  constructor(records: AsyncIterable<ProtocolRecord>) {
    this.done = (async () => {
      for await (const record of records) {
        this.seqs.push(record.seq);
        this.#heard();
      }
    })();
  }

  async until(count: number): Promise<void> {
    while (this.seqs.length < count) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }
}

async function serving(answer: (asked: Asked) => Answer): Promise<ScriptedServer> {
  return new ScriptedServer(answer).listen();
}

const WHOLE = LOG.map(({ seq }) => seq);

test("two tabs with one run have one connection, and each every record once", async () => {
  await using server = await serving((asked) => told(asked, asked.number < 2 ? 2 : LOG.length));
  using browser = new Browser(server);
  const first = new Reading(browser.tab().follow("a"));
  await first.until(2);
  // Comes late: the connection is opened anew behind what this one has, and the other drops what it knows.
  const second = new Reading(browser.tab().follow("a"));
  await Promise.all([first.done, second.done]);
  assert.deepEqual([first.seqs, second.seqs], [WHOLE, WHOLE]);
  assert.deepEqual(server.asked.map(placesOf), [["a:0"], ["a:0"]]);
});

test("another run joins the connection, and a run that nobody wants any more leaves it", async () => {
  await using server = await serving((asked) => told(asked, 2));
  using browser = new Browser(server);
  const leaving = browser.tab().follow("a");
  const first = new Reading(leaving);
  await first.until(2);
  const second = new Reading(browser.tab().follow("b", 1));
  await second.until(1);
  leaving.close();
  await first.done;
  while (server.asked.length < 3) {
    await new Promise(setImmediate);
  }
  assert.deepEqual(server.asked.map(placesOf), [["a:0"], ["a:2", "b:1"], ["b:2"]]);
});

test("the leader's tab is closed: another opens the connection, and nothing is lost or double", async () => {
  await using server = await serving((asked) => told(asked, asked.number < 3 ? 2 : LOG.length));
  using browser = new Browser(server);
  const leader = browser.tab();
  const first = new Reading(leader.follow("a"));
  await first.until(2);
  const second = new Reading(browser.tab().follow("a"));
  await second.until(2);
  leader.close();
  await second.done;
  assert.deepEqual(second.seqs, WHOLE);
  assert.deepEqual(placesOf(server.asked.at(-1) as Asked), ["a:2"]);
});

test("several runs of one tab share it too", async () => {
  await using server = await serving((asked) => told(asked));
  using browser = new Browser(server);
  const seen: string[] = [];
  for await (const { run, record } of followMany(browser.tab().headwater, [{ run: "a" }, { run: "b", after: 2 }])) {
    seen.push(`${run}${record?.seq}`);
  }
  assert.deepEqual(seen, ["a1", "a2", "a3", "a4", "b3", "b4"]);
});

test("a connection that breaks is every tab's to come back from", async () => {
  await using server = await serving((asked) => (asked.number < 2 ? { ...told(asked, 2), end: "cut" } : told(asked)));
  using browser = new Browser(server);
  const readings = [browser.tab(), browser.tab()].map(({ follow }) => new Reading(follow("a")));
  await Promise.all(readings.map((reading) => reading.done));
  assert.deepEqual(readings.map((reading) => reading.seqs), [WHOLE, WHOLE]);
});

test("what is wrong with one run does not concern the others, and a closed log ends", async () => {
  const problem = { code: "NOT_FOUND", detail: "No such run.", run: "gone", retryable: false };
  const refused: Answer = { status: 404, body: JSON.stringify(problem), framing: "length" };
  await using server = await serving((asked) => {
    const places = placesOf(asked);
    if (places.includes("gone:0")) {
      return refused;
    }
    return places.every((place) => place.endsWith(":4")) ? { status: 204 } : told(asked, 2);
  });
  using browser = new Browser(server);
  const other = browser.tab().follow("a");
  const reading = new Reading(other);
  await reading.until(2);
  await assert.rejects(new Reading(browser.tab().follow("gone")).done, NotFound);
  other.close();
  await reading.done;
  const closed = new Reading(browser.tab().follow("a", 4));
  await closed.done;
  assert.deepEqual([reading.seqs, closed.seqs], [[1, 2], []]);
});

test("where the tab with the connection does not answer, another goes its own way", async () => {
  const records = LOG.map((record) => `data: ${JSON.stringify(record)}\n\n`).join("");
  await using server = await serving(() => ({ headers: { "Content-Type": "text/event-stream" }, body: records }));
  const name = `test ${crypto.randomUUID()}`;
  const stopped = Promise.withResolvers<void>();
  const held = navigator.locks.request(name, () => stopped.promise);
  const alone = sharedFetch({ baseUrl: server.url, name, patienceMs: 1 });
  const reading = new Reading(new Headwater({ baseUrl: server.url, fetch: alone }).follow("a"));
  await reading.done;
  assert.deepEqual(reading.seqs, WHOLE);
  assert.deepEqual(server.asked.map((asked) => asked.path), ["/api/v1/runs/a/events?after=0"]);
  alone.close();
  stopped.resolve();
  await held;
});

test("changes and other readings go their own way", async () => {
  await using server = await serving(() => ({
    headers: { "Content-Type": "application/json" },
    body: '{"id":"a"}',
    framing: "length",
  }));
  using browser = new Browser(server);
  const { headwater } = browser.tab();
  assert.equal((await headwater.get("a")).id, "a");
  assert.equal((await headwater.cancel("a")).id, "a");
});

test("an address that only begins like the server's is another server's", async () => {
  await using server = await serving(() => ({ headers: { "Content-Type": "text/event-stream" }, body: OPENING }));
  const shared = sharedFetch({ baseUrl: server.url.slice(0, -1), name: `test ${crypto.randomUUID()}` });
  const headers = { Accept: "text/event-stream" };
  const response = await shared(`${server.url}/api/v1/runs/a/events?after=0`, { headers });
  assert.equal(await response.text(), OPENING);
  shared.close();
});
