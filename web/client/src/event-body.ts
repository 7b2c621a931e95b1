/** A response whose event stream is written here: what a transport that is not a fetch gives to the reader. */

import { EVENT_STREAM } from "./http.ts";

/** A reader that leaves more than this unread is let go of: it comes back behind its cursor. */
const UNREAD_BYTES_MAX = 8 * 1024 * 1024;
const utf8 = new TextEncoder();

/** Written until it is ended, failed, or let go of by its reader; what is written after that is nobody's. */
export class EventBody {
  readonly #stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #over = false;
  readonly #left: () => void;

  /** `left` is called once, when nothing more is wanted. */
  constructor(left: () => void) {
    this.#left = left;
    const source: UnderlyingDefaultSource<Uint8Array<ArrayBuffer>> = {
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => this.#close(),
    };
    this.#stream = new ReadableStream(source, new ByteLengthQueuingStrategy({ highWaterMark: UNREAD_BYTES_MAX }));
  }

  /** To be asked for once. */
  response(headers: Readonly<Record<string, string>> = {}, status = 200): Response {
    return new Response(this.#stream, { status, headers: { "Content-Type": EVENT_STREAM, ...headers } });
  }

  event(data: string, id = ""): void {
    const lines = data.split("\n").map((line) => `data: ${line}\n`);
    this.#write(`${id === "" ? "" : `id: ${id}\n`}${lines.join("")}\n`);
  }

  /** The cursor moves over records that are left out. */
  moved(id: string): void {
    this.#write(`id: ${id}\n\n`);
  }

  /** What a reader takes as a sign of life. */
  comment(): void {
    this.#write(": alive\n\n");
  }

  /** How long a reader is to wait before it comes back. */
  retry(ms: number): void {
    this.#write(`retry: ${ms}\n\n`);
  }

  end(): void {
    if (!this.#over) {
      this.#controller.close();
      this.#close();
    }
  }

  fail(error: unknown): void {
    if (!this.#over) {
      this.#controller.error(error);
      this.#close();
    }
  }

  #write(text: string): void {
    if (this.#over) {
      return;
    }
    this.#controller.enqueue(utf8.encode(text));
    if ((this.#controller.desiredSize ?? 0) <= 0) {
      this.fail(new TypeError("The reader is too slow"));
    }
  }

  #close(): void {
    if (!this.#over) {
      this.#over = true;
      this.#left();
    }
  }
}

/** Whether a request asks for an event stream; `only`: with no other headers than these. */
export function asksForEvents(init: RequestInit | undefined, only?: readonly string[]): boolean {
  const headers = new Headers(init?.headers);
  return (
    (init?.method ?? "GET") === "GET" &&
    headers.get("accept") === EVENT_STREAM &&
    (only === undefined || [...headers.keys()].every((name) => only.includes(name)))
  );
}
