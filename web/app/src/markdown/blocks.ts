/**
 * Cuts a growing Markdown text into blocks that can be rendered one by one, so that what is settled is parsed once.
 *
 * A block is a run of lines that no later line can change, or a part of a long list. The last block is open: what
 * comes may still belong to it.
 * The sources of the blocks, joined, are the text. A fence that is not indented is a block of its own; other blocks end
 * at a blank line, at a heading or at such a fence (CommonMark 0.31.2, sections 4.2, 4.5 and 5.3).
 */

export interface Block {
  readonly kind: "fence" | "markup";
  readonly source: string;
}

const FENCE = /^(`{3,}|~{3,})([^\n]*)/;
const NESTED_FENCE = /^\s+(?:(?:[-*+]|\d{1,9}[.)])\s+)?(`{3,}|~{3,})([^\n]*)/;
const ITEM_FENCE = /^(?:[-*+]|\d{1,9}[.)])\s+(`{3,}|~{3,})([^\n]*)/;
const HEADING = /^#{1,6}(?:[ \t]|$)/;
const ITEM = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)/;
// An item at the beginning of its line that a list may begin anew with. In a list that counts 1, 1, 1 there is none.
const LATER_ITEM = /^(?:[-*+]|(?!1[.)])\d{1,9}[.)])[ \t]/;
// A list grows longer than a paragraph, and is cut between two items so that its beginning need not be parsed again.
const LIST_UNITS_MIN = 512;
const INDENTED = /^(?: {2}|\t)/;

/** The fence that a line opens, or null. A line of backticks with a backtick behind them is code within a line. */
function fenceOf(line: string, pattern: RegExp): string | null {
  const [, marker = "", info = ""] = pattern.exec(line) ?? [];
  if (marker === "" || (marker.startsWith("`") && info.includes("`"))) return null;
  return marker;
}

function closes(line: string, marker: string): boolean {
  const trimmed = line.trim();
  return trimmed.length >= marker.length && trimmed === marker.charAt(0).repeat(trimmed.length);
}

export class BlockSplitter {
  #text = "";
  #settled: Block[] = [];
  #open = 0; // where the open block begins
  #scanned = 0; // where the first line begins that has not been looked at
  #fence: string | null = null;
  #kind: Block["kind"] = "markup";
  #inList = false;
  #afterBlank = false;

  /** The blocks of `text`. It should begin with the text of the call before; if it does not, all is cut anew. */
  split(text: string): { settled: readonly Block[]; open: Block | null } {
    if (!text.startsWith(this.#text)) this.#reset();
    this.#text = text;
    for (let end = text.indexOf("\n", this.#scanned); end >= 0; end = text.indexOf("\n", this.#scanned)) {
      this.#take(text.slice(this.#scanned, end), this.#scanned, end + 1);
      this.#scanned = end + 1;
    }
    const source = text.slice(this.#open);
    if (source === "") return { settled: this.#settled, open: null };
    const begins = this.#open === this.#scanned && fenceOf(source, FENCE) !== null;
    return { settled: this.#settled, open: { kind: begins ? "fence" : this.#kind, source } };
  }

  #reset(): void {
    this.#settled = [];
    this.#open = this.#scanned = 0;
    this.#fence = null;
    this.#kind = "markup";
    this.#inList = this.#afterBlank = false;
  }

  #take(line: string, start: number, next: number): void {
    if (this.#fence !== null) {
      if (!closes(line, this.#fence)) return;
      this.#fence = null;
      if (this.#kind === "fence") this.#settle(next);
      return;
    }
    const fence = fenceOf(line, FENCE);
    if (fence !== null) {
      this.#settle(start);
      this.#kind = "fence";
      this.#fence = fence;
      return;
    }
    if (HEADING.test(line)) {
      this.#settle(start);
      this.#settle(next);
      return;
    }
    const blank = line.trim() === "";
    const item = ITEM.test(line);
    if (!blank && this.#afterBlank && !INDENTED.test(line) && !(this.#inList && item)) this.#settle(start);
    if (this.#inList && start - this.#open >= LIST_UNITS_MIN && LATER_ITEM.test(line)) this.#settle(start);
    if (!blank && this.#open === start) this.#inList = item;
    else if (item && !this.#afterBlank) this.#inList = true;
    this.#afterBlank = blank;
    this.#fence = fenceOf(line, NESTED_FENCE) ?? fenceOf(line, ITEM_FENCE);
  }

  #settle(end: number): void {
    if (end > this.#open) {
      // A new array, so that whoever memoises on it sees the change.
      this.#settled = [...this.#settled, { kind: this.#kind, source: this.#text.slice(this.#open, end) }];
    }
    this.#open = end;
    this.#kind = "markup";
    this.#inList = this.#afterBlank = false;
  }
}

export interface Fence {
  readonly language: string;
  readonly code: string;
}

/** What a block of the kind `fence` holds. The fence may still be open. */
export function parseFence(source: string): Fence {
  const [, marker = "", info = ""] = FENCE.exec(source) ?? [];
  const lines = source.split("\n").slice(1);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > 0 && closes(lines.at(-1) ?? "", marker)) lines.pop();
  return { language: info.trim().split(/\s+/)[0] ?? "", code: lines.join("\n") };
}

// A line of which only the marks have come that begin a block or underline one: it says nothing yet.
const ONLY_MARKS = /^(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))*(?:[-=*_+]+|\d{1,9}[.)]?|#{1,6}|~+|`{1,2})?$/;
const TASK = /^[ \t>]*(?:[-*+]|\d{1,9}[.)])[ \t]+\[[ xX]?\]?$/;
// Backticks may be code within a line as long as the line has not ended.
const HALF_FENCE = /^[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?:`{3,}[^`]*|~{3,}.*)$/;

/**
 * A block that still grows, without a last line of which only the beginning has come: it would be shown as text, or as
 * an empty item, and be something else with the next letter.
 */
export function withoutHalf(open: Block): Block {
  const { kind, source } = open;
  const begins = source.lastIndexOf("\n") + 1;
  const line = source.slice(begins).trimEnd();
  if (kind === "fence" && begins > 0) {
    const [, marker = ""] = FENCE.exec(source) ?? [];
    const mark = line.trimStart();
    const closing = mark !== "" && mark.length < marker.length && marker.startsWith(mark);
    return closing ? { kind, source: source.slice(0, begins) } : open;
  }
  if (!ONLY_MARKS.test(line) && !TASK.test(line) && !HALF_FENCE.test(line)) return open;
  return { kind: "markup", source: source.slice(0, begins) };
}

const DEFINITION = /^ {0,3}\[[^\]\n]+\]:[ \t]*\S.*$/gm;
// Without brackets within: it is enough that one may be there, and a row of open brackets is looked at once.
const REFERENCE = /\[[^[\]\n]+\]/;

/** The definitions of links and notes in these blocks, for blocks that may refer to them. */
export function definitionsIn(blocks: readonly Block[]): string {
  return blocks.flatMap((block) => (block.kind === "markup" ? (block.source.match(DEFINITION) ?? []) : [])).join("\n");
}

/** Whether a block may need the definitions of other blocks. */
export function refers(block: Block): boolean {
  return block.kind === "markup" && REFERENCE.test(block.source);
}

// A parser takes the square of the time for marks that are never closed, and calls itself for each level of nesting.
const BLOCK_UNITS_MAX = 32_768;
const MARKS_MAX = 1000;
const MARKS = /[*_~[\]]+/g;
const TOO_DEEP = /^[ \t]*(?:>[ \t]*|[-*+][ \t]+|\d{1,9}[.)][ \t]+){32}/m;

/** Whether a block is no text that a person would write, and is better shown as it is than parsed. */
export function isUnreasonable({ kind, source }: Block): boolean {
  if (kind === "fence") return false;
  if (source.length > BLOCK_UNITS_MAX || TOO_DEEP.test(source)) return true;
  return source.length > MARKS_MAX && (source.match(MARKS)?.length ?? 0) > MARKS_MAX;
}
