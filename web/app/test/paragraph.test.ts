import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import ReactMarkdown from "react-markdown";
import remarkGfm from "remark-gfm";
import { ParagraphPieces } from "../src/markdown/paragraph.ts";

const WORDS = "river stone light water cloud bridge".split(" ");

function html(source: string): string {
  return renderToStaticMarkup(createElement(ReactMarkdown, { remarkPlugins: [remarkGfm] }, source));
}

function inner(piece: string): string {
  const [, text] = /^<p>(.*)<\/p>$/s.exec(html(piece)) ?? [];
  assert.ok(text !== undefined, piece);
  return text;
}

/** What the page makes of pieces. */
function shown(pieces: readonly string[]): string {
  return `<p>${pieces.map((piece, at) => inner(piece) + (at < pieces.length - 1 ? piece.at(-1) : "")).join("")}</p>`;
}

/** Numbers that look random and are the same each time (Numerical Recipes' generator). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("the pieces, parsed one by one, are the paragraph parsed as a whole", () => {
  const spans = ["**two words**", "*a*", "`code *x*`", "[link](https://a.example/b_c)", "snake_case_name", "(**so**)"];
  const marks = ["*", "**", "`", "``", "[", "](u)", "~", "~~", "_", "\\", "<", ">", "!", "&"];
  const broken = [...marks, "\\*", "**a.**b", "a**b"];
  const blanks = [" ", " ", " ", "\n", "  ", "  \n", "\n  "];
  let cuts = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const pick = numbers(seed);
    const parts = [...WORDS, ...WORDS, ...spans, ...(seed % 2 === 0 ? broken : [])];
    let source = seed % 3 === 0 ? "\n\nRiver" : "River";
    for (let count = 0; count < 24; count++) {
      source += (blanks[pick(blanks.length)] ?? "") + (parts[pick(parts.length)] ?? "");
    }
    const pieces = new ParagraphPieces(24, 8).cut(source);
    if (pieces === null) continue;
    cuts += pieces.length - 1;
    assert.equal(pieces.join(""), source);
    assert.equal(shown(pieces), html(source), JSON.stringify(pieces));
  }
  assert.ok(cuts > 400, String(cuts));
});

test("settled pieces stay while the paragraph grows, and the cuts of the arriving text make no difference", () => {
  const source = Array.from({ length: 400 }, (_, at) => (at % 9 === 1 ? "**a b**" : WORDS[at % 6])).join(" ");
  const growing = new ParagraphPieces();
  let before: readonly string[] = [];
  for (let end = 1; end <= source.length; end++) {
    const pieces = growing.cut(source.slice(0, end));
    assert.ok(pieces !== null);
    assert.deepEqual(pieces.slice(0, before.length), before);
    before = pieces.slice(0, -1);
  }
  assert.ok(before.length >= 2);
  assert.deepEqual(growing.cut(source), new ParagraphPieces().cut(source));
});

test("what is no paragraph, or may become something else, is not cut", () => {
  const blocks = ["- a", "1. a", "# a", "> a", "```\na", "~~~", "    a", "\n    a", "[a]: b", "<b>", "***", "* * *"];
  const later = ["__", "A\n===", "A\n- b", "A\n> b", "A\n# b", "A\n\n    b", "| a |\n|---|", "A\nb | c\n--|--"];
  for (const source of [...blocks, ...later]) {
    assert.equal(new ParagraphPieces().cut(source), null, source);
  }
  for (const source of ["A", "**a** b", "*a*", "`a` b", "A\nb\n\n", "3.5 a", "“a”", "泉", "\nA", "\n \nA\n"]) {
    assert.deepEqual(new ParagraphPieces().cut(source), [source]);
  }
});

test("a paragraph that becomes a heading is whole again", () => {
  const source = `${"word ".repeat(500)}word`;
  const pieces = new ParagraphPieces();
  assert.ok((pieces.cut(source)?.length ?? 0) > 1);
  assert.equal(pieces.cut(`${source}\n=`), null);
  assert.deepEqual(pieces.cut("Another"), ["Another"]);
});

test("a mark without its partner holds the cut back", () => {
  for (const mark of ["*a", "**a b", "`a", "[a", "~a", "\\", "<a"]) {
    assert.equal(new ParagraphPieces().cut(`${mark} ${"word ".repeat(1000)}`)?.length ?? 1, 1, mark);
  }
});
