/** The fold beside its cases: what is shared, what it costs, and where it may begin. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { PastUnknown, type ProtocolRecord, type Snapshot } from "../src/index.ts";
import { emptySnapshot, fold } from "../src/fold.ts";
import { FOLD } from "./cases.ts";

function chunk(seq: number, content: string, index = 0): ProtocolRecord {
  return { seq, t: seq, type: "chunk", data: { content, index } };
}

test("a snapshot that went through JSON at any record is folded on to the same end", () => {
  const takesBack = (record: ProtocolRecord): boolean => record.type === "attempt" && !!record.data.supersedes_from;
  for (const { name, records, snapshot } of FOLD) {
    // What a snapshot does not tell: which piece came when, and which call or attempt had which part of the usage.
    const reporting = records.map((record) => (record.type === "usage" ? (record.data.call ?? 1) : 0));
    const repaid = records.some((record) => record.type === "attempt") && reporting.some((call) => call > 0);
    if (records.some(takesBack) || repaid || new Set(reporting).size > 2) {
      continue;
    }
    for (let at = 0; at <= records.length; at += 1) {
      const half: Snapshot = JSON.parse(JSON.stringify(records.slice(0, at).reduce(fold, emptySnapshot())));
      assert.deepEqual(records.slice(at).reduce(fold, half), snapshot, `${name}, from record ${at}`);
    }
  }
});

test("what a record takes back from before the beginning is refused", () => {
  const attempt: ProtocolRecord = {
    seq: 3,
    t: 3,
    type: "attempt",
    data: { call: 1, number: 2, reason: "TIMEOUT", provider: "p", model: "m", supersedes_from: 2 },
  };
  const whole = [chunk(1, "a"), chunk(2, "b")].reduce(fold, emptySnapshot());
  assert.equal(fold(whole, attempt).text, "a");
  const stored: Snapshot = JSON.parse(JSON.stringify(whole));
  assert.throws(() => fold(stored, attempt), PastUnknown);
});

test("what a record takes back from the middle of a joined piece is refused, from between two it is not", () => {
  const takingBack = (start: number): ProtocolRecord => ({
    seq: 9,
    t: 9,
    type: "attempt",
    data: { call: 1, number: 2, reason: "TIMEOUT", provider: "p", model: "m", supersedes_from: start },
  });
  // A past that is too long for a snapshot: the seqs of what was joined are missing.
  const replayed = [chunk(3, "abc"), chunk(6, "def"), chunk(8, "gh")].reduce(fold, emptySnapshot());
  for (const [start, text] of [
    [1, ""],
    [4, "abc"],
    [7, "abcdef"],
  ] as const) {
    assert.equal(fold(replayed, takingBack(start)).text, text);
  }
  for (const start of [2, 3, 5, 6, 8]) {
    assert.throws(() => fold(replayed, takingBack(start)), PastUnknown);
  }
});

test("where the past is not known, a newer snapshot is gone on from", () => {
  const newer: Snapshot = { ...emptySnapshot(), seq: 9, text: "new", parts: [{ index: 0, kind: "text", text: "new" }] };
  const old: Snapshot = { ...emptySnapshot(), seq: 4, text: "old", parts: [{ index: 0, kind: "text", text: "old" }] };
  const reread: ProtocolRecord = { seq: 9, t: 9, type: "snapshot", data: { snapshot: newer } };
  assert.equal([reread, chunk(10, "er")].reduce(fold, old).text, "newer");
});

test("no snapshot ever changes", () => {
  for (const { records } of FOLD) {
    let before = emptySnapshot();
    for (const record of records) {
      const copy = structuredClone(before);
      const next = fold(before, record);
      assert.deepEqual(before, copy);
      before = next;
    }
  }
});

test("from one snapshot two folds may go on", () => {
  const common = fold(emptySnapshot(), chunk(1, "a"));
  assert.equal(fold(common, chunk(2, "b")).text, "ab");
  assert.equal(fold(common, chunk(2, "c")).text, "ac");
});

test("what a record leaves alone keeps its identity", () => {
  const first = [chunk(1, "a"), chunk(2, "b", 1)].reduce(fold, emptySnapshot());
  const second = fold(first, chunk(3, "B", 1));
  assert.equal(second.parts[0], first.parts[0]);
  assert.notEqual(second.parts[1], first.parts[1]);
  assert.equal(second.calls, first.calls);
  assert.equal(second.tool_calls, first.tool_calls);
  const data = { call: 1, role: "answer", provider: "p", model: "m" } as const;
  assert.equal(fold(second, { seq: 4, t: 4, type: "call", data }).parts[1], second.parts[1]);
});

test("what a field leaves alone is shared", () => {
  const told = (seq: number, path: string, value: unknown, delta = false): ProtocolRecord => ({
    seq,
    t: seq,
    type: "field",
    data: { path, value, done: false, delta },
  });
  const first = fold(emptySnapshot(), told(1, "", { grid: [[1], [2]], hints: ["a"] }));
  const second = fold(first, told(2, "/grid/1/0", 3));
  const third = fold(second, told(3, "/hints/0", "b", true));
  type Told = { grid: number[][]; hints: string[] };
  const [a, b, c] = [first.value, second.value, third.value] as [Told, Told, Told];
  assert.deepEqual(c, { grid: [[1], [3]], hints: ["ab"] });
  assert.equal(b.grid[0], a.grid[0]);
  assert.equal(b.hints, a.hints);
  assert.equal(c.grid, b.grid);
  assert.equal(fold(third, told(4, "/grid", [], true)).value, c);
});

test("fields cost nothing until the value is read, and then one copy of what they have changed", () => {
  let looks = 0;
  const items = new Proxy(Array.from({ length: 1000 }, (_, at) => at), {
    get(target, name, receiver): unknown {
      looks += 1;
      return Reflect.get(target, name, receiver);
    },
  });
  const before: Snapshot = { ...emptySnapshot(), value: { items, other: { a: 1 } } };
  let snapshot = before;
  for (let seq = 1; seq <= 1000; seq += 1) {
    const data = { path: `/items/${seq + 999}`, value: seq, done: true };
    snapshot = fold(snapshot, { seq, t: seq, type: "field", data });
  }
  assert.equal(looks, 0);
  type Told = { items: unknown[]; other: object };
  const value = snapshot.value as Told;
  assert.ok(looks < 2 * 1000 + 100, `${looks} looks`);
  assert.deepEqual([value.items.length, value.items[999], value.items[1999]], [2000, 999, 1000]);
  assert.equal(value.other, (before.value as Told).other);
  looks = 0;
  const data = { path: "/items/2000", value: 0, done: true };
  assert.equal((fold(snapshot, { seq: 1001, t: 0, type: "field", data }).value as Told).items.length, 2001);
  assert.equal(looks, 0, "what was read is gone on from");
});

test("a value that is read late, and again, is the one of its snapshot", () => {
  const told = (seq: number, value: unknown): ProtocolRecord => ({
    seq,
    t: seq,
    type: "field",
    data: { path: "/items", value, done: false, delta: seq > 1 },
  });
  const first = fold(emptySnapshot(), told(1, [[1]]));
  const second = fold(first, told(2, [[2]]));
  const other = fold(first, told(2, [["two"]]));
  const third = fold(second, told(3, [[3]]));
  assert.deepEqual(third.value, { items: [[1], [2], [3]] });
  assert.deepEqual(second.value, { items: [[1], [2]] });
  assert.deepEqual(first.value, { items: [[1]] });
  assert.deepEqual(other.value, { items: [[1], ["two"]] });
  assert.deepEqual(fold(third, told(4, [[4]])).value, { items: [[1], [2], [3], [4]] });
  assert.equal(second.value, second.value);
  assert.deepEqual(JSON.parse(JSON.stringify(third)), structuredClone(third));
});

test("a long text of fields is folded, and taken back, without a stack that grows with it", () => {
  let snapshot = emptySnapshot();
  for (let seq = 1; seq <= 20_000; seq += 1) {
    const data = { path: "/text", value: "word ", done: false, delta: seq > 1 };
    snapshot = fold(snapshot, { seq, t: seq, type: "field", data });
  }
  assert.deepEqual(snapshot.value, { text: "word ".repeat(20_000) });
  const data = { call: 1, number: 2, reason: "TIMEOUT", provider: "p", model: "m", supersedes_from: 3 };
  assert.deepEqual(fold(snapshot, { seq: 20_001, t: 0, type: "attempt", data }).value, { text: "word word " });
});

test("a record that does not come after is refused; seqs may jump, as they do in a joined replay", () => {
  const snapshot = fold(emptySnapshot(), chunk(5, "joined"));
  assert.equal(snapshot.seq, 5);
  assert.throws(() => fold(snapshot, chunk(5, "again")), RangeError);
  assert.throws(() => fold(snapshot, chunk(4, "earlier")), RangeError);
});

test("a snapshot record takes the place of all before", () => {
  const late = [chunk(1, "a"), chunk(2, "b")].reduce(fold, emptySnapshot());
  const record: ProtocolRecord = { seq: 2, t: 2, type: "snapshot", data: { snapshot: late } };
  const begun = fold(emptySnapshot(), record);
  assert.deepEqual(begun, late);
  assert.equal(fold(begun, chunk(3, "c")).text, "abc");
});

test("a long answer is folded without a stack that grows with it", () => {
  let snapshot = emptySnapshot();
  for (let seq = 1; seq <= 50_000; seq += 1) {
    snapshot = fold(snapshot, chunk(seq, "word "));
  }
  assert.equal(snapshot.text, "word ".repeat(50_000));
  const attempt: ProtocolRecord = {
    seq: 50_001,
    t: 0,
    type: "attempt",
    data: { call: 1, number: 2, reason: "TIMEOUT", provider: "p", model: "m", supersedes_from: 3 },
  };
  assert.equal(fold(snapshot, attempt).text, "word word ");
});
