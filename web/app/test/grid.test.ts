import assert from "node:assert/strict";
import { test } from "node:test";
import {
  around,
  crossPath,
  differing,
  gridOf,
  linePath,
  NO_COLOUR,
  rowPaths,
  rowWords,
  sizeOf,
} from "../src/arc/grid.ts";

test("a grid is taken as far as it has come", () => {
  assert.deepEqual(gridOf([[1, 2], [3]]), [[1, 2], [3]]);
  assert.deepEqual(gridOf([[1, 2], "…"]), [[1, 2]]);
});

test("what is no grid is none, and what is no colour is marked", () => {
  for (const value of [null, undefined, 7, "grid", {}, [], [1, 2], [null]]) assert.equal(gridOf(value), null);
  assert.deepEqual(gridOf([[10, -1, 1.5, "3", null, true, 9]]), [[...Array(6).fill(NO_COLOUR), 9]]);
});

test("no more of a grid is drawn than puzzles have", () => {
  const huge = Array.from({ length: 200 }, () => Array(200).fill(0));
  assert.deepEqual(sizeOf(gridOf(huge) ?? []), { rows: 30, columns: 30 });
});

test("the size of rows that differ in length is that of the longest", () => {
  assert.deepEqual(sizeOf([[1], [1, 2, 3]]), { rows: 2, columns: 3 });
  assert.deepEqual(sizeOf([]), { rows: 0, columns: 0 });
  assert.deepEqual(around({ rows: 1, columns: 5 }, { rows: 3, columns: 2 }), { rows: 3, columns: 5 });
});

test("cells differ by colour, and where the other has none", () => {
  assert.deepEqual(differing([[1, 2], [3, 4]], [[1, 0], [3, 4]]), [[0, 1]]);
  assert.deepEqual(differing([[1, 2, 3]], [[1, 2]]), [[0, 2]]);
  assert.deepEqual(differing([[1], [2]], [[1]]), [[1, 0]]);
  assert.deepEqual(differing([], [[1]]), []);
});

test("neighbours of one colour are one outline", () => {
  assert.deepEqual([...rowPaths([1, 1, 0, 1])], [
    [1, "M0 0h2v1h-2zM3 0h1v1h-1z"],
    [0, "M2 0h1v1h-1z"],
  ]);
  assert.equal(rowPaths([]).size, 0);
});

test("lines stand between cells and around them", () => {
  assert.equal(linePath({ rows: 1, columns: 2 }), "M0 0h2M0 1h2M0 0v1M1 0v1M2 0v1");
});

test("what differs is crossed and told", () => {
  assert.equal(crossPath([[2, 1]]), "M1.22 2.22l.56 .56m0 -.56l-.56 .56");
  assert.equal(rowWords([1, NO_COLOUR], 0, []), "Row 1: 1 ?");
  assert.equal(rowWords([1, 2, 3], 1, [[0, 0], [1, 1]]), "Row 2: 1 2 3; differs in column 2");
  assert.equal(rowWords([1, 2, 3], 0, [[0, 0], [0, 2]]), "Row 1: 1 2 3; differs in columns 1, 3");
});
