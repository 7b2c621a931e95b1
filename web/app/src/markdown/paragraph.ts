/**
 * Cuts a growing paragraph into pieces that can be parsed one by one, so that a long one is not parsed anew, nor its
 * text shaped anew, with every word that comes.
 *
 * A piece ends at a blank before which every mark of the piece has found its partner. What cannot be told cheaply is
 * not cut: it costs time, where a wrong cut would cost meaning (CommonMark 0.31.2, sections 4.3, 4.8 and 6.2).
 */

const PIECE_UNITS_MIN = 256;
/** After a place where it may not be cut, the next one is looked at only so much later. */
const STEP_UNITS = 64;

// A line that interrupts a paragraph, makes a heading or a table of the lines before it, or may.
const RISKY_LINE = /^[ \t]*(?:[-=+#>|:<~[]|[*_](?![*_]?[\p{L}\p{N}])|`{3}|\d{1,9}[.)](?:[ \t]|$))/mu;
// Blank lines may stand before it, as long as its own first line has not ended.
const BLANK_LINES_BEFORE = /^(?:[ \t]*\n)*/;
const BLANK_LINE_WITHIN = /\n[ \t]*\n[ \t]*\S/;
// What follows begins with a letter, which begins a paragraph and nothing else; no two blanks, which may break a line.
const PLACE = /[^\s\\][ \n](?=\p{L})/gu;

// Marks with their partners, as far as it is beyond doubt: code, then links, then emphasis between blanks.
const CODE = /(?<!`)`[^`]+`(?!`)/g;
const LINK = /\[[^[\]]*\]\([^()\s]*\)/g;
const EMPHASIS = /(?<![^\s(])(\*{1,2})(?=[\p{L}\p{N}])[^*]*[^\s*]\1(?=[\s.,;:!?)])/gu;
const WITHIN_WORD = /(?<=[\p{L}\p{N}])_(?=[\p{L}\p{N}])/gu;
const MARK = /[*_~`[\]<\\]/;

function isBalanced(piece: string): boolean {
  if (!MARK.test(piece)) return true;
  const rest = piece.replace(CODE, "x").replace(LINK, "x").replace(EMPHASIS, "x").replace(WITHIN_WORD, "x");
  return !MARK.test(rest);
}

export class ParagraphPieces {
  readonly #unitsMin: number;
  readonly #stepUnits: number;
  #source = "";
  #settled: string[] = [];
  #open = 0;
  /** Where the next place for a cut is looked for. */
  #next: number;

  constructor(unitsMin = PIECE_UNITS_MIN, stepUnits = STEP_UNITS) {
    this.#unitsMin = this.#next = unitsMin;
    this.#stepUnits = stepUnits;
  }

  /**
   * The pieces of one paragraph, of which only the last still changes while it grows; null for a block that is, or may
   * become, something else. Joined they are the source, and each but the last ends with the blank it was cut at.
   */
  cut(source: string): string[] | null {
    if (!source.startsWith(this.#source)) this.#reset();
    this.#source = source;
    // What is before the open piece's first line has been looked at.
    const begins = BLANK_LINES_BEFORE.exec(source)?.[0].length ?? 0;
    const unseen = source.slice(Math.max(begins, source.lastIndexOf("\n", Math.max(0, this.#open - 1)) + 1));
    if (/\s/.test(source.charAt(begins)) || RISKY_LINE.test(unseen) || BLANK_LINE_WITHIN.test(unseen)) {
      this.#reset();
      return null;
    }
    for (let end = this.#place(); end !== null; end = this.#place()) {
      const piece = source.slice(this.#open, end);
      if (isBalanced(piece)) {
        this.#settled.push(piece);
        this.#open = end;
        this.#next = end + this.#unitsMin;
      } else {
        this.#next = end + this.#stepUnits;
      }
    }
    return [...this.#settled, source.slice(this.#open)];
  }

  /** Behind the next blank where it may be cut; null while that has not come. */
  #place(): number | null {
    PLACE.lastIndex = this.#next;
    return PLACE.test(this.#source) ? PLACE.lastIndex : null;
  }

  #reset(): void {
    this.#source = "";
    this.#settled = [];
    this.#open = 0;
    this.#next = this.#unitsMin;
  }
}
