/** Cursors over reloads, in storages that are full, switched off, or written by somebody else. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Snapshot } from "../src/index.ts";
import { CursorStore, type KeyValueStorage } from "../src/cursor-store.ts";
import { emptySnapshot, fold } from "../src/fold.ts";

class Memory implements KeyValueStorage {
  readonly items = new Map<string, string>();
  readonly charsMax: number;

  constructor(charsMax = Number.POSITIVE_INFINITY) {
    this.charsMax = charsMax;
  }

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    const others = [...this.items].filter(([other]) => other !== key);
    if (others.reduce((sum, [, text]) => sum + text.length, value.length) > this.charsMax) {
      throw new DOMException("full", "QuotaExceededError");
    }
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}

function said(text: string): Snapshot {
  return fold(emptySnapshot(), { seq: 1, t: 1, type: "chunk", data: { content: text, index: 0 } });
}

test("what was saved is there after a reload", () => {
  const storage = new Memory();
  new CursorStore({ storage }).save("run_a", said("Hello"));
  const saved = new CursorStore({ storage }).load("run_a");
  assert.deepEqual(saved, { run: "run_a", cursor: 1, snapshot: said("Hello") });
  const data = { content: "!", index: 0 };
  assert.equal(fold(saved?.snapshot ?? emptySnapshot(), { seq: 2, t: 2, type: "chunk", data }).text, "Hello!");
});

test("the newest save stands, and what is forgotten is gone", () => {
  const storage = new Memory();
  const store = new CursorStore({ storage });
  store.save("run_a", said("one"));
  store.save("run_a", said("two"));
  assert.equal(store.load("run_a")?.snapshot.text, "two");
  assert.deepEqual(store.runs(), ["run_a"]);
  store.forget("run_a");
  assert.equal(store.load("run_a"), null);
  assert.deepEqual(store.runs(), []);
  assert.equal(store.load("run_b"), null);
});

test("of many runs those saved last are kept", () => {
  const storage = new Memory();
  const store = new CursorStore({ storage, runsMax: 3 });
  for (const run of ["a", "b", "c", "a", "d"]) {
    store.save(run, said(run));
  }
  assert.deepEqual(store.runs(), ["c", "a", "d"]);
  assert.equal(store.load("b"), null);
  assert.equal(storage.items.size, 4);
});

test("what is too large is not kept, nor what was there before it", () => {
  const store = new CursorStore({ storage: new Memory(), charsMax: 1000 });
  store.save("run_a", said("small"));
  store.save("run_a", said("x".repeat(1000)));
  assert.equal(store.load("run_a"), null);
});

test("a full storage loses its older runs first, and then keeps nothing", () => {
  const storage = new Memory(2000);
  const store = new CursorStore({ storage });
  for (const run of ["a", "b", "c", "d"]) {
    store.save(run, said("x".repeat(300)));
  }
  assert.equal(store.load("a"), null);
  assert.equal(store.load("d")?.snapshot.text.length, 300);
  store.save("e", said("x".repeat(3000)));
  assert.deepEqual(store.runs(), []);
  assert.equal(store.load("e"), null);
});

test("a storage that throws is one that keeps nothing", () => {
  const broken = (): never => {
    throw new DOMException("no", "SecurityError");
  };
  for (const storage of [{ getItem: broken, setItem: broken, removeItem: broken }, null]) {
    const store = new CursorStore({ storage });
    store.save("run_a", said("Hello"));
    assert.equal(store.load("run_a"), null);
    store.forget("run_a");
    assert.deepEqual(store.runs(), []);
  }
  new CursorStore().save("run_a", said("Hello"));
});

test("content that somebody else wrote is not there", () => {
  const good = JSON.parse(JSON.stringify({ run: "run_a", cursor: 1, snapshot: said("Hello") }));
  const { snapshot } = good;
  const wrong: unknown[] = [
    "{",
    "",
    null,
    7,
    [],
    {},
    { ...good, run: "run_b" },
    { ...good, cursor: 2 },
    { ...good, cursor: -1, snapshot: { ...snapshot, seq: -1 } },
    { ...good, snapshot: null },
    { ...good, snapshot: { ...snapshot, text: 7 } },
    { ...good, snapshot: { ...snapshot, parts: {} } },
    { ...good, snapshot: { ...snapshot, parts: [{ index: 0, kind: "text" }] } },
    { ...good, snapshot: { ...snapshot, tool_calls: [null] } },
    { ...good, snapshot: { ...snapshot, calls: [{ call: "1" }] } },
    { ...good, snapshot: { ...snapshot, state: [] } },
    { ...good, snapshot: { ...snapshot, usage: "much" } },
  ];
  for (const content of [good, ...wrong]) {
    const storage = new Memory();
    storage.setItem("headwater:run:run_a", typeof content === "string" ? content : JSON.stringify(content));
    storage.setItem("headwater:runs", typeof content === "string" ? content : JSON.stringify(content));
    const store = new CursorStore({ storage });
    assert.equal(store.load("run_a") !== null, content === good, JSON.stringify(content));
    assert.deepEqual(store.runs(), []);
  }
});
