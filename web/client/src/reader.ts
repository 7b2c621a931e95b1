/** Reads one response's event stream. It does not reconnect: see `subscription.ts` for that. */

import { NetworkError, ParseError, TimedOut } from "./errors.ts";
import { EVENT_STREAM } from "./http.ts";
import { type Frame, type OnComment, SseDecoder } from "./sse.ts";

export interface ReadOptions {
  /**
   * A connection on which nothing comes for so long, no heartbeat either, counts as dead (`TimedOut`); the time that
   * the caller takes between two events does not count. Left out: for ever.
   */
  readonly silenceMs?: number;
  /** Ends the reading: whoever reads gets its reason. */
  readonly signal?: AbortSignal;
  /** An event whose data, or whose line, is longer than this, in UTF-16 units, is refused. Left out: 4 Mi. */
  readonly eventCharsMax?: number;
  /** Gets each comment; `before` counts within the frames that are read together. */
  readonly onComment?: OnComment;
}

/** The frames of one streaming response; the body is cancelled when the reading ends, however it ends. */
export class StreamReader {
  /** When anything last came, a heartbeat too, in ms since 1970; a clock that goes on while the machine sleeps. */
  lastByteAt = Date.now();
  bytesReceived = 0;
  readonly #response: Response;
  readonly #options: ReadOptions;
  readonly #decoder: SseDecoder;

  constructor(response: Response, options: ReadOptions = {}) {
    this.#response = response;
    this.#options = options;
    this.#decoder = new SseDecoder(options);
  }

  /** What a reconnection sends as `Last-Event-ID`; "" for none. */
  get lastEventId(): string {
    return this.#decoder.lastEventId;
  }

  /** The reconnection time that the server asked for. */
  get retryMs(): number | null {
    return this.#decoder.retryMs;
  }

  /**
   * The frames as they come, those of one read together.
   *
   * Throws `NetworkError` when the connection broke, `TimedOut` after a silence, `ParseError` for what is no event
   * stream. Ends where the body does.
   */
  async *frames(): AsyncGenerator<Frame[], void, undefined> {
    const media = this.#response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    const body = this.#response.body?.getReader();
    try {
      if (media !== EVENT_STREAM || body === undefined) {
        throw new ParseError("The server's answer is not an event stream");
      }
      for (;;) {
        const { done, value } = await this.#watched(body.read());
        if (done) {
          break;
        }
        this.lastByteAt = Date.now();
        this.bytesReceived += value.byteLength;
        yield this.#decoder.feed(value);
        if (this.#decoder.fault !== null) {
          break;
        }
      }
      this.#decoder.end();
    } finally {
      body?.cancel().catch(() => {});
    }
  }

  /**
   * What `decode` makes of the data of each frame, that of one read together. Throws what `frames` and `decode` do, and
   * at the end of the body, which is none of what is read.
   */
  async *decoded<Item>(decode: (data: string) => Item): AsyncGenerator<Item[], void, undefined> {
    for await (const frames of this.frames()) {
      const items: Item[] = [];
      let fault: unknown;
      for (const frame of frames) {
        try {
          items.push(decode(frame.data));
        } catch (error) {
          fault = error;
          break;
        }
      }
      yield items;
      if (fault !== undefined) {
        throw fault;
      }
    }
    throw new NetworkError("The connection ended before the run did");
  }

  #watched<T>(read: Promise<T>): Promise<T> {
    const { silenceMs, signal } = this.#options;
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(signal?.reason);
      const silent = (): void => reject(new TimedOut("Nothing came from the server, no heartbeat either"));
      const timer = silenceMs === undefined ? undefined : setTimeout(silent, silenceMs);
      const settled = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
      };
      signal?.addEventListener("abort", aborted);
      if (signal?.aborted) {
        aborted();
      }
      const broke = (cause: unknown): void =>
        reject(signal?.aborted ? signal.reason : new NetworkError(undefined, { cause }));
      read.then(resolve, broke);
      read.then(settled, settled);
    });
  }
}

/** The frames of one streaming response, one by one. */
export async function* readFrames(response: Response, options?: ReadOptions): AsyncGenerator<Frame, void, undefined> {
  for await (const frames of new StreamReader(response, options).frames()) {
    yield* frames;
  }
}
