/**
 * Server-sent events: bytes to frames, cut anywhere.
 *
 * The format is the WHATWG's, section 9.2 of https://html.spec.whatwg.org/multipage/server-sent-events.html. The
 * decoder is sans-IO: it is fed what a body gave and returns the frames that became complete. The result never depends
 * on where the bytes were cut, the work is linear in them, and what is kept is bounded.
 */

import { ParseError } from "./errors.ts";

/** One dispatched event. `event` is "" when it is unnamed; `id` is the last event id in force, null for never set. */
export interface Frame {
  readonly data: string;
  readonly event: string;
  readonly id: string | null;
}

/** Gets each comment, what stands behind its colon, while a `feed` goes on: `before` of its frames come first. */
export type OnComment = (text: string, before: number) => void;

export const EVENT_CHARS_MAX = 4 * 1024 * 1024;
const LINE_END = /\r\n|\r|\n/;

/**
 * The bytes of one event stream, in pieces of any size, to frames. One decoder reads one body.
 *
 * `lineCharsMax` bounds a line, `eventCharsMax` an event's data, in UTF-16 units; the first is as large as the second
 * where it is left out. Frames that were complete before a limit was passed are delivered first: `feed` returns them,
 * `fault` holds the error, and the next `feed` or `end` throws it.
 */
export class SseDecoder {
  /** The last reconnection time asked for. */
  retryMs: number | null = null;
  /** The comment lines so far: heartbeats. */
  comments = 0;
  #fault: ParseError | null = null;
  // Not all platforms drop exactly one byte order mark when it comes in pieces, so that is done here.
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #lineCharsMax: number;
  readonly #eventCharsMax: number;
  readonly #onComment: OnComment | undefined;
  #atBeginning = true;
  #afterCr = false;
  /** A line whose end has not arrived. Never searched again, so that the work stays linear. */
  #line = "";
  #data: string | null = null;
  #event = "";
  #idBuffer: string | null = null;
  // Takes the buffer's value when a block ends: a block that is cut off does not count.
  #id: string | null = null;

  constructor(options: { lineCharsMax?: number; eventCharsMax?: number; onComment?: OnComment | undefined } = {}) {
    this.#eventCharsMax = options.eventCharsMax ?? EVENT_CHARS_MAX;
    this.#lineCharsMax = options.lineCharsMax ?? this.#eventCharsMax;
    this.#onComment = options.onComment;
  }

  /** The id that a reconnection sends as `Last-Event-ID`; "" for none. Blocks without data set it too. */
  get lastEventId(): string {
    return this.#id ?? "";
  }

  /** The limit that was passed. */
  get fault(): ParseError | null {
    return this.#fault;
  }

  /** The frames that `chunk` completed, in order. Throws `ParseError` for a line or an event above its limit. */
  feed(chunk: Uint8Array): Frame[] {
    if (this.#fault !== null) {
      throw this.#fault;
    }
    const frames: Frame[] = [];
    try {
      this.#take(this.#utf8.decode(chunk, { stream: true }), frames);
    } catch (error) {
      this.#fault = error as ParseError;
      this.#line = "";
      this.#data = null;
      if (frames.length === 0) {
        throw error;
      }
    }
    return frames;
  }

  /** The body has ended; an unfinished block is discarded, as the WHATWG has it. Throws a fault that was held back. */
  end(): void {
    if (this.#fault !== null) {
      throw this.#fault;
    }
  }

  #take(decoded: string, frames: Frame[]): void {
    let text = decoded;
    if (text === "") {
      return;
    }
    if (this.#atBeginning) {
      this.#atBeginning = false;
      text = text.startsWith("\ufeff") ? text.slice(1) : text;
    }
    // A CR ends its line at once, so that an event is never held back for an LF that may not come.
    if (this.#afterCr && text.startsWith("\n")) {
      text = text.slice(1);
    }
    this.#afterCr = decoded.endsWith("\r");
    const lines = text.split(LINE_END);
    const rest = lines.pop() ?? "";
    for (const line of lines) {
      this.#hold(line);
      const whole = this.#line;
      this.#line = "";
      this.#takeLine(whole, frames);
    }
    this.#hold(rest);
  }

  #hold(piece: string): void {
    if (this.#line.length + piece.length > this.#lineCharsMax) {
      throw new ParseError(`A line of the event stream is longer than ${this.#lineCharsMax}`);
    }
    this.#line += piece;
  }

  #takeLine(line: string, frames: Frame[]): void {
    if (line === "") {
      this.#dispatch(frames);
      return;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") {
      this.#takeData(value);
    } else if (name === "event") {
      this.#event = value;
    } else if (name === "id") {
      if (!value.includes("\0")) {
        this.#idBuffer = value;
      }
    } else if (name === "retry") {
      if (/^[0-9]+$/.test(value)) {
        this.retryMs = Math.min(Number(value), Number.MAX_SAFE_INTEGER);
      }
    } else if (name === "") {
      this.comments += 1;
      this.#onComment?.(line.slice(1), frames.length);
    }
  }

  #takeData(value: string): void {
    const data = this.#data === null ? value : `${this.#data}\n${value}`;
    if (data.length > this.#eventCharsMax) {
      throw new ParseError(`An event's data is larger than ${this.#eventCharsMax}`);
    }
    this.#data = data;
  }

  #dispatch(frames: Frame[]): void {
    this.#id = this.#idBuffer;
    if (this.#data !== null) {
      frames.push({ data: this.#data, event: this.#event, id: this.#id });
      this.#data = null;
    }
    this.#event = "";
  }
}
