/**
 * What the client throws.
 *
 *     ClientError                          kind, code, retryable, message
 *     ├── NetworkError           NETWORK       no connection, or it broke
 *     ├── TimedOut               TIMEOUT       the connection stands, but nothing comes any more
 *     ├── ServerError            SERVER        an answer with an error status; `code` is the server's own
 *     │   ├── NotFound                         no such run, or it belongs to another owner
 *     │   ├── Conflict                         the idempotency key was used for another body
 *     │   ├── CursorAhead                      the cursor is past the log's tail
 *     │   └── CursorTrimmed                    the records are gone; `snapshot` is where to go on
 *     ├── RunFailed              SERVER        the run itself ended in `error`; `code` is the run's
 *     ├── ParseError             PARSE         what came is not what the protocol says
 *     ├── Cancelled              CANCELLED     this side stopped reading
 *     └── MaxRetriesExceeded     MAX_RETRIES_EXCEEDED     `last` is what the last try ended with
 */

import { objectIn } from "./json.ts";
import type { ErrorData } from "./protocol.ts";

export type ErrorKind = "NETWORK" | "TIMEOUT" | "SERVER" | "PARSE" | "CANCELLED" | "MAX_RETRIES_EXCEEDED";

/** Base of what the client throws. `code` is `kind` or, where the server gave one, tells more. */
export abstract class ClientError extends Error {
  abstract readonly kind: ErrorKind;
  /** Whether the same request may succeed later. */
  abstract readonly retryable: boolean;

  get code(): string {
    return this.kind;
  }
}

/** The server can not be reached, or the connection broke. */
export class NetworkError extends ClientError {
  override readonly name = "NetworkError";
  readonly kind = "NETWORK";
  readonly retryable = true;

  constructor(message = "The connection to the server broke", options?: ErrorOptions) {
    super(message, options);
  }
}

/** Nothing came for longer than a live server is ever silent. */
export class TimedOut extends ClientError {
  override readonly name = "TimedOut";
  readonly kind = "TIMEOUT";
  readonly retryable = true;
}

/** What came is not what the protocol says. */
export class ParseError extends ClientError {
  override readonly name = "ParseError";
  readonly kind = "PARSE";
  readonly retryable = true;
}

/** Reading was stopped on this side. The run goes on. */
export class Cancelled extends ClientError {
  override readonly name = "Cancelled";
  readonly kind = "CANCELLED";
  readonly retryable = false;
}

/** Several tries in a row brought nothing. `last` is the error of the last one. */
export class MaxRetriesExceeded extends ClientError {
  override readonly name = "MaxRetriesExceeded";
  readonly kind = "MAX_RETRIES_EXCEEDED";
  readonly retryable = true;
  readonly last: ClientError;
  readonly tries: number;

  constructor(last: ClientError, tries: number) {
    super(`Gave up after ${tries} tries: ${last.message}`, { cause: last });
    this.last = last;
    this.tries = tries;
  }
}

/** The run ended in an `error` record; what it had put out until then is kept in its log. */
export class RunFailed extends ClientError {
  override readonly name = "RunFailed";
  readonly kind = "SERVER";
  readonly event: ErrorData;

  constructor(event: ErrorData) {
    super(event.message);
    this.event = event;
  }

  get retryable(): boolean {
    return this.event.retryable;
  }

  override get code(): string {
    return this.event.code;
  }
}

/**
 * An answer with an error status.
 *
 * `problem` has its problem+json members (RFC 9457; empty if it was something else), `retryAfterMs` what its
 * `Retry-After` asked for.
 */
export class ServerError extends ClientError {
  override readonly name: string = "ServerError";
  readonly kind = "SERVER";
  readonly status: number;
  readonly problem: Readonly<Record<string, unknown>>;
  readonly retryAfterMs: number | null;

  constructor(status: number, problem: Readonly<Record<string, unknown>> = {}, retryAfterMs: number | null = null) {
    const message = problem.detail || problem.title;
    super(typeof message === "string" ? message : `The server answered with status ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }

  override get code(): string {
    return typeof this.problem.code === "string" ? this.problem.code : this.kind;
  }

  /** What the body says; else RFC 9110, RFC 6585, and every fault of a server or proxy. */
  get retryable(): boolean {
    const said = this.problem.retryable;
    return typeof said === "boolean" ? said : this.status >= 500 || [408, 425, 429].includes(this.status);
  }
}

/** No such run, or it belongs to another owner. */
export class NotFound extends ServerError {
  override readonly name = "NotFound";
}

/** The idempotency key was used for another request. */
export class Conflict extends ServerError {
  override readonly name = "Conflict";
}

/** The cursor is past the log's tail: it belongs to another run, or to data that the server has lost. */
export class CursorAhead extends ServerError {
  override readonly name = "CursorAhead";
}

/** The records after the cursor are gone. */
export class CursorTrimmed extends ServerError {
  override readonly name = "CursorTrimmed";

  /** Where the run's snapshot is, a path or URL, if the server said so. */
  get snapshot(): string | null {
    return typeof this.problem.snapshot === "string" ? this.problem.snapshot : null;
  }
}

const BY_CODE: ReadonlyMap<unknown, typeof ServerError> = new Map<unknown, typeof ServerError>([
  ["NOT_FOUND", NotFound],
  ["CONFLICT", Conflict],
  ["CURSOR_AHEAD", CursorAhead],
  ["CURSOR_TRIMMED", CursorTrimmed],
]);

/** The typed error of an answer. `body` may be anything, a proxy's page too; `retryAfter` is the header's text. */
export function refusal(status: number, body: string, retryAfter: string | null): ServerError {
  // What is not ours has no members; the status says enough.
  const problem = objectIn(body);
  // Only the code decides: a 404 without one may be a proxy's, and says nothing about the run.
  const Kind = BY_CODE.get(problem.code) ?? ServerError;
  // The form with a date is left alone: it needs two clocks to agree, and Headwater never sends it.
  const retryAfterMs = /^\d{1,9}$/.test(retryAfter ?? "") ? Number(retryAfter) * 1000 : null;
  return new Kind(status, problem, retryAfterMs);
}

/** Whether another way of reading may do better: the server gave no answer, or none that can be read. */
export function isTheLinks(error: unknown): boolean {
  return error instanceof MaxRetriesExceeded || error instanceof NetworkError || error instanceof ParseError;
}

/**
 * A record takes back a part of what is only known as a whole: it was in a snapshot, or in a joined piece.
 *
 * Read the run again, from a snapshot of now: what was taken back is not in it any more.
 */
export class PastUnknown extends Error {
  override readonly name = "PastUnknown";
}
