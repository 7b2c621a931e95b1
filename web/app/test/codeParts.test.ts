import assert from "node:assert/strict";
import { test } from "node:test";
import { codeParts } from "../src/chat/codeParts.ts";

const marked = (sentence: string): string =>
  codeParts(sentence)
    .map(({ text, code }) => (code ? `<${text}>` : text))
    .join("");

test("what stands in backticks is code", () => {
  assert.equal(marked("Set `OPENAI_API_KEY`, or take `simulated`."), "Set <OPENAI_API_KEY>, or take <simulated>.");
  assert.equal(marked("`a``b`"), "<a><b>");
  assert.deepEqual(codeParts("`a`"), [{ text: "a", code: true }]);
});

test("whatever else a sentence holds stays as it is", () => {
  for (const sentence of ["", "No code.", "One ` alone", "``", "`over\nlines`", "<b>*bold*</b> [a](b)"]) {
    assert.equal(marked(sentence), sentence);
  }
});
