/** Records of one run over a WebSocket: what is wanted of them, over as many sockets as it takes. */

import { decodeRecord, type ProtocolRecord } from "@headwater/client";

const PATH = "/api/v1/ws";
/** Two and a half heartbeats: nobody is there any more, though nobody said so. */
const SILENCE_MS = 37_500;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 8000;

export interface Wanted {
  readonly run: string;
  /** The seq of the last record that is known. */
  readonly after: number;
  readonly types: readonly string[];
}

export interface Listener {
  readonly record: (record: ProtocolRecord) => void;
  /** Whether records can come now. */
  readonly open: (open: boolean) => void;
}

interface SocketMessage {
  readonly id?: unknown;
  readonly record?: unknown;
  readonly after?: number;
  readonly end?: { readonly reason: string };
  readonly error?: { readonly retryable: boolean };
  readonly ok?: object;
  readonly farewell?: { readonly retry_ms: number };
}

/** What a message means for a reader with a cursor. */
export type Heard =
  | { readonly kind: "record"; readonly record: ProtocolRecord }
  | { readonly kind: "moved"; readonly after: number }
  | { readonly kind: "opened" }
  /** Nothing more comes of the run. */
  | { readonly kind: "over" }
  /** It goes on over another socket, after so long. */
  | { readonly kind: "again"; readonly afterMs: number }
  | { readonly kind: "nothing" };

/** Reads one message of a server's. Throws `ParseError` for a record that is none, `SyntaxError` for no JSON. */
export function heardOf(text: string): Heard {
  const { record, after, end, error, ok, farewell } = JSON.parse(text) as SocketMessage;
  if (record !== undefined) return { kind: "record", record: decodeRecord(JSON.stringify(record)) };
  if (farewell !== undefined) return { kind: "again", afterMs: farewell.retry_ms };
  if (error !== undefined) return error.retryable ? { kind: "again", afterMs: RETRY_MS } : { kind: "over" };
  if (end !== undefined) return end.reason === "error" ? { kind: "again", afterMs: RETRY_MS } : { kind: "over" };
  if (ok !== undefined) return { kind: "opened" };
  return after === undefined ? { kind: "nothing" } : { kind: "moved", after };
}

/** Reads until nothing more comes of the run, or `signal` is aborted. */
export async function readOverSocket(wanted: Wanted, listener: Listener, signal: AbortSignal): Promise<void> {
  let { after } = wanted;
  let waitMs = RETRY_MS;
  while (!signal.aborted) {
    const before = after;
    const again = await new Connection({ ...wanted, after }, listener, signal, (seq) => {
      after = seq;
    }).ended;
    if (again === null) return;
    // One that brought nothing may be refused by something in between: it is asked more and more seldom.
    waitMs = after > before ? RETRY_MS : Math.min(2 * waitMs, RETRY_MS_MAX);
    await new Promise((resolve) => setTimeout(resolve, Math.max(again, waitMs * (0.5 + Math.random() / 2))));
  }
}

/** One socket. */
class Connection {
  /** When to come again, in milliseconds; null where nothing more comes. */
  readonly ended: Promise<number | null>;
  readonly #socket = new WebSocket(new URL(PATH, location.href).href.replace(/^http/, "ws"));
  readonly #listener: Listener;
  readonly #moved: (seq: number) => void;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #again: number | null = 0;

  constructor(wanted: Wanted, listener: Listener, signal: AbortSignal, moved: (seq: number) => void) {
    this.#listener = listener;
    this.#moved = moved;
    const socket = this.#socket;
    const leave = (): void => {
      // One that is not open yet would complain of being closed.
      if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
      else socket.close();
    };
    signal.addEventListener("abort", leave);
    this.#listen();
    socket.onopen = () => socket.send(JSON.stringify({ id: 1, op: "subscribe", ...wanted }));
    socket.onmessage = ({ data }) => this.#take(String(data));
    this.ended = new Promise((resolve) => {
      socket.onclose = () => {
        clearTimeout(this.#silence);
        signal.removeEventListener("abort", leave);
        listener.open(false);
        resolve(this.#again);
      };
    });
  }

  #take(text: string): void {
    this.#listen();
    let heard: Heard;
    try {
      heard = heardOf(text);
    } catch {
      // What can not be read may be well on another socket, and comes over the event stream too.
      this.#socket.close();
      return;
    }
    switch (heard.kind) {
      case "record":
        this.#moved(heard.record.seq);
        this.#listener.record(heard.record);
        break;
      case "moved":
        this.#moved(heard.after);
        break;
      case "opened":
        this.#listener.open(true);
        break;
      case "over":
      case "again":
        this.#again = heard.kind === "over" ? null : heard.afterMs;
        this.#socket.close();
        break;
      default:
    }
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket.close(), SILENCE_MS);
  }
}
