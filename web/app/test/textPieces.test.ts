import assert from "node:assert/strict";
import { test } from "node:test";
import { TextPieces } from "../src/chat/textPieces.ts";

const WORDS = Array.from({ length: 4000 }, (_, at) => `wörd${at}😀${at % 17 === 0 ? "\r\n\n" : " "}`).join("");

test("the pieces joined are the text, and all but the last stay", () => {
  const pieces = new TextPieces();
  let before: string[] = [];
  for (let end = 0; end <= WORDS.length; end += 97) {
    const now = pieces.cut(WORDS.slice(0, end));
    assert.equal(now.join(""), WORDS.slice(0, end));
    assert.deepEqual(now.slice(0, before.length), before);
    before = now.slice(0, -1);
  }
  assert.ok(before.length > 10);
  for (const piece of before) assert.match(piece, /[ \n]$/);
});

test("another text is cut anew", () => {
  const pieces = new TextPieces();
  pieces.cut(WORDS);
  assert.deepEqual(pieces.cut("other"), ["other"]);
});
