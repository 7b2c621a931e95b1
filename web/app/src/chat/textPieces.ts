/** Cuts a growing text into pieces that do not change any more, and a last one that does. Joined they are the text. */

const PIECE_UNITS_MIN = 2048;
const BLANK = /[ \n]/g;

export class TextPieces {
  #text = "";
  #settled: string[] = [];
  #open = 0;

  cut(text: string): string[] {
    if (!text.startsWith(this.#text)) {
      this.#settled = [];
      this.#open = 0;
    }
    this.#text = text;
    // Only behind a blank, so that no letter, word or ligature is torn.
    for (let end = this.#end(); end >= 0; end = this.#end()) {
      this.#settled.push(text.slice(this.#open, end + 1));
      this.#open = end + 1;
    }
    return [...this.#settled, text.slice(this.#open)];
  }

  #end(): number {
    BLANK.lastIndex = this.#open + PIECE_UNITS_MIN;
    return BLANK.exec(this.#text)?.index ?? -1;
  }
}
