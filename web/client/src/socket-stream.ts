/** One of the streams that a WebSocket carries: the response that is written from what the server says of its run. */

import type { EventBody } from "./event-body.ts";

/** What a server says; the members of one message are there. */
export interface SocketMessage {
  readonly id?: number | null;
  readonly ok?: { readonly run?: string; readonly created?: boolean };
  readonly error?: Problem;
  readonly run?: string;
  readonly record?: { readonly seq: number };
  readonly after?: number;
  readonly end?: { readonly reason: string; readonly tail?: number };
  readonly farewell?: { readonly retry_ms: number };
}

/** As an answer over HTTP would be, with what that has in a header. */
interface Problem {
  readonly status?: number;
  readonly retry_after_s?: number;
}

/** Is told the answer to a message. */
export type Asked = (answer: SocketMessage) => void;

/** Who wants the stream, and what else there is to do. */
export interface Told {
  readonly resolve: (response: Response | Promise<Response>) => void;
  readonly reject: (reason: unknown) => void;
  /** The log is closed and was read before, which came to light when the answer had begun. */
  readonly endedLate: (run: string, tail: number) => void;
  /** Another way to the same answer, where there is one. */
  readonly instead: (() => Promise<Response>) | null;
}

export class SocketStream {
  /** Null until the server has said which run it started. */
  run: string | null;
  /** Whether the server has said that the run's records come. Before that, what comes is of an earlier stream. */
  isAnswered = false;
  /** Whether the server has said that nothing more comes. */
  isEnded = false;
  readonly #body: EventBody;
  readonly #told: Told;
  #hasBegun = false;
  #isEmpty = true;

  constructor(run: string | null, body: EventBody, told: Told) {
    this.run = run;
    this.#body = body;
    this.#told = told;
  }

  /** It is an answer now: where nothing has come, the log goes on. */
  opened(status = 200): void {
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#told.resolve(this.#body.response(this.run === null ? {} : { "X-Run-Id": this.run }, status));
    }
  }

  started(run: string, created: boolean): void {
    this.run = run;
    this.isAnswered = true;
    this.opened(created ? 201 : 200);
  }

  refuse(problem: Problem): void {
    const { status = 500, retry_after_s: seconds } = problem;
    const headers = { "Content-Type": "application/problem+json" };
    const waits = seconds === undefined ? {} : { "Retry-After": String(seconds) };
    this.isEnded = true;
    this.#told.resolve(new Response(JSON.stringify(problem), { status, headers: { ...headers, ...waits } }));
    this.#body.end();
  }

  take({ record, after, end }: SocketMessage): void {
    if (!this.isAnswered) {
      return;
    }
    if (end !== undefined) {
      this.#end(end.reason, end.tail ?? 0);
      return;
    }
    this.opened();
    if (record !== undefined) {
      this.#isEmpty = false;
      this.#body.event(JSON.stringify(record), String(record.seq));
    } else if (after !== undefined) {
      this.#body.moved(String(after));
    }
  }

  farewell(retryMs: number): void {
    this.#body.retry(retryMs);
  }

  alive(): void {
    this.#body.comment();
  }

  fail(reason: unknown): void {
    this.#told.reject(reason);
    this.#body.fail(reason);
  }

  /** The socket broke, or never opened. */
  lost(hasOpened: boolean): void {
    if (!hasOpened && this.#told.instead !== null) {
      this.#told.resolve(this.#told.instead());
    }
    this.fail(new TypeError("The WebSocket lost its connection"));
  }

  #end(reason: string, tail: number): void {
    this.isEnded = true;
    if (reason !== "closed") {
      // Whoever asks again is told why.
      this.opened();
      this.fail(new TypeError("The server has no more of this run"));
      return;
    }
    if (this.#isEmpty && this.#hasBegun && this.run !== null) {
      this.#told.endedLate(this.run, tail);
    }
    if (this.#isEmpty && !this.#hasBegun) {
      this.#told.resolve(new Response(null, { status: 204 }));
    }
    this.opened();
    // Of a reader of some types, that may be further than its last record.
    this.#body.moved(String(tail));
    this.#body.end();
  }
}
