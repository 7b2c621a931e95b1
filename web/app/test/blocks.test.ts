import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Block,
  BlockSplitter,
  definitionsIn,
  isUnreasonable,
  parseFence,
  refers,
  withoutHalf,
} from "../src/markdown/blocks.ts";

const TEXT = `First *paragraph*
goes on.

# Heading
Beneath it.

- one

- two
  goes on

  and on
- three
\`\`\`python
def f():

    return "- not an item"
\`\`\`

1. a
   ~~~
   code

   more
   ~~~
2. b

| a | b |
|---|---|
| 1 | 2 |

> quote

    indented

    code

[r]: https://example.com
end with [r]`;

const LONG_LIST = Array.from({ length: 200 }, (_, at) => `${at + 1}. item number ${at + 1}\n`).join("");

function cut(text: string): Block[] {
  const { settled, open } = new BlockSplitter().split(text);
  return open === null ? [...settled] : [...settled, open];
}

const shows = (block: Block): boolean => block.source.trim() !== "";
const joined = (blocks: readonly Block[]): string => blocks.map(({ source }) => source).join("");

test("the blocks of every prefix are the prefix, and what is settled stays", () => {
  for (const text of [TEXT, LONG_LIST, `${TEXT}\n\n${LONG_LIST}`]) {
    const growing = new BlockSplitter();
    let before: readonly Block[] = [];
    for (let end = 0; end <= text.length; end++) {
      const { settled, open } = growing.split(text.slice(0, end));
      assert.equal(joined(settled) + (open?.source ?? ""), text.slice(0, end));
      assert.deepEqual(settled.slice(0, before.length), before);
      before = settled;
    }
    assert.deepEqual(cut(text).slice(0, before.length), before);
  }
});

test("the cuts of the arriving text make no difference", () => {
  for (const step of [1, 2, 3, 7, 64]) {
    const growing = new BlockSplitter();
    for (let end = 0; end < TEXT.length; end += step) growing.split(TEXT.slice(0, end));
    const { settled, open } = growing.split(TEXT);
    assert.deepEqual(open === null ? settled : [...settled, open], cut(TEXT));
  }
});

test("each thing is a block of its own, and none is torn", () => {
  assert.deepEqual(
    cut(TEXT).filter(shows).map(({ kind, source }) => [kind, source.trimEnd()]),
    [
      ["markup", "First *paragraph*\ngoes on."],
      ["markup", "# Heading"],
      ["markup", "Beneath it."],
      ["markup", "- one\n\n- two\n  goes on\n\n  and on\n- three"],
      ["fence", '```python\ndef f():\n\n    return "- not an item"\n```'],
      ["markup", "1. a\n   ~~~\n   code\n\n   more\n   ~~~\n2. b"],
      ["markup", "| a | b |\n|---|---|\n| 1 | 2 |"],
      ["markup", "> quote\n\n    indented\n\n    code"],
      ["markup", "[r]: https://example.com\nend with [r]"],
    ],
  );
});

test("a long list is cut between items, a list of ones is not", () => {
  const blocks = cut(LONG_LIST);
  assert.ok(blocks.length > 1);
  for (const { source } of blocks) assert.match(source, /^\d+\. item/);
  assert.equal(cut(LONG_LIST.replace(/^\d+/gm, "1")).length, 1);
});

test("a text that does not go on from the one before is cut anew", () => {
  const splitter = new BlockSplitter();
  splitter.split("# One\n\ntwo\n\nthree");
  const { settled, open } = splitter.split("~~~\nother");
  assert.deepEqual([...settled, open], [{ kind: "fence", source: "~~~\nother" }]);
});

test("a fence says its language and its code, open or closed", () => {
  assert.deepEqual(parseFence("```python title=x\na\n\nb\n```\n"), { language: "python", code: "a\n\nb" });
  assert.deepEqual(parseFence("~~~\n```\n"), { language: "", code: "```" });
  assert.deepEqual(parseFence("````js\n```\n````"), { language: "js", code: "```" });
  assert.deepEqual(parseFence("```"), { language: "", code: "" });
});

test("definitions reach the blocks that refer to something", () => {
  const blocks = cut("See [a][r].\n\n```\n[x]: https://code.example\n```\n\n[r]: https://example.com\n[^1]: note\n");
  assert.equal(definitionsIn(blocks), "[r]: https://example.com\n[^1]: note");
  assert.deepEqual(
    blocks.filter(shows).map((block) => refers(block)),
    [true, false, true],
  );
});

test("what no person writes is not parsed", () => {
  const markup = (source: string): Block => ({ kind: "markup", source });
  for (const marker of ["> ", ">", "- ", "1. ", "> - "]) {
    assert.ok(isUnreasonable(markup(`Text\n${marker.repeat(32)}deep`)), marker);
    assert.ok(!isUnreasonable(markup(`${marker.repeat(8)}deep`)), marker);
  }
  assert.ok(isUnreasonable(markup("**a".repeat(10_000))));
  assert.ok(isUnreasonable(markup("a\n".repeat(20_000))));
  assert.ok(!isUnreasonable(markup("| a cell | another |\n".repeat(1000))));
  assert.ok(!isUnreasonable(markup("-".repeat(500))));
  assert.ok(!isUnreasonable({ kind: "fence", source: `\`\`\`\n${"x".repeat(100_000)}` }));
});

test("a row of brackets refers to nothing, and a bracket within brackets to something", () => {
  assert.ok(!refers({ kind: "markup", source: "[".repeat(100_000) }));
  assert.ok(refers({ kind: "markup", source: "see [a [b] c]" }));
});

function growing(text: string): string {
  const { settled, open } = new BlockSplitter().split(text);
  return joined(settled) + (open === null ? "" : withoutHalf(open).source);
}

test("the marks that begin a block wait for what they begin", () => {
  const items = ["-", "*", "+", "- ", "1", "12", "1.", "3) ", "- 1.", "  -", "- [", "- [x]"];
  const marks = [...items, "#", "### ", ">", "> ", "> -"];
  const halves = ["`", "``", "```", "```py", "~~", "~~~", "- ```", "---", "===", "**", "__"];
  for (const line of [...marks, ...halves]) {
    for (const before of ["", "Done early.\n", "- one\n- two\n", "Text.\n\n"]) {
      assert.equal(growing(before + line), before, JSON.stringify(before + line));
    }
  }
});

test("what says something already is shown", () => {
  const items = ["- a", "1. a", "1a", "# a", "> a", "* *a*", "3.5", "- [x] a"];
  const words = [...items, "`a", "`` a", "-a", "--flag", "**a", "a -"];
  for (const line of [...words, "```a` b", "```js\n", "```js\n-", "```js\n1.", "| a"]) {
    assert.equal(growing(`Text\n${line}`), `Text\n${line}`);
  }
});

test("half of the marks that close a fence are not shown as code", () => {
  for (const half of ["`", "``"]) assert.equal(growing(`\`\`\`js\na\n${half}`), "```js\na\n");
  for (const whole of ["```", "```\n", "`a", "~"]) {
    assert.equal(growing(`\`\`\`js\na\n${whole}`), `\`\`\`js\na\n${whole}`);
  }
  assert.equal(growing("~~~~\n~~~"), "~~~~\n");
});

test("a line of many marks is judged at once", () => {
  for (const marks of ["- ", " ", ">", "1. ", "-", "`", "> - "]) growing(`${marks.repeat(30_000)}x`);
});

test("what is shown of a growing text never gets shorter", () => {
  for (const text of [TEXT, "1. a\n2. b\n\n---\n- [ ] c\n* d\n", "A\n-\n\n> - `x`\n> 2) y\n"]) {
    let shown = 0;
    for (let end = 1; end <= text.length; end++) {
      const now = growing(text.slice(0, end));
      assert.ok(text.startsWith(now) && now.length >= shown, JSON.stringify(text.slice(0, end)));
      shown = now.length;
    }
  }
});
