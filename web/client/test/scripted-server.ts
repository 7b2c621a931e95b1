/** A server on a real socket that gives scripted answers, byte for byte, and notes what was asked. */

import { createServer, type Server, type Socket } from "node:net";

export interface Asked {
  readonly number: number;
  readonly method: string;
  readonly path: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** `length`: with Content-Length. `chunked`: in chunks. */
  readonly framing?: "length" | "chunked";
  /** `clean`: as HTTP ends a body. `cut`: FIN without that. `reset`: RST. `open`: nothing more comes. */
  readonly end?: "clean" | "cut" | "reset" | "open";
  /** Then one more chunk when its time has come, and the connection is cut. */
  readonly later?: Promise<string>;
  /** Not a byte of an answer, and nothing says so. */
  readonly silent?: boolean;
  /** Not a byte of an answer, and the connection is closed. */
  readonly lost?: boolean;
}

export class ScriptedServer {
  readonly asked: Asked[] = [];
  readonly #answer: (asked: Asked) => Answer;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(answer: (asked: Asked) => Answer) {
    this.#answer = answer;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => socket.destroy());
      this.#serve(socket);
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") {
      throw new Error("the server does not listen");
    }
    return `http://127.0.0.1:${address.port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #serve(socket: Socket): void {
    let buffer = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      buffer = Buffer.concat([buffer, bytes]);
      const taken = takeRequest(buffer, this.asked.length + 1);
      if (taken !== null) {
        buffer = buffer.subarray(taken.length);
        this.asked.push(taken.asked);
        write(socket, this.#answer(taken.asked));
      }
    });
  }
}

function takeRequest(buffer: Buffer, number: number): { asked: Asked; length: number } | null {
  const headEnd = buffer.indexOf("\r\n\r\n");
  if (headEnd < 0) {
    return null;
  }
  const [requestLine = "", ...lines] = buffer.subarray(0, headEnd).toString("latin1").split("\r\n");
  const [method = "", path = ""] = requestLine.split(" ");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const length = headEnd + 4 + Number(headers["content-length"] ?? 0);
  if (buffer.length < length) {
    return null;
  }
  const body = buffer.subarray(headEnd + 4, length).toString();
  return { asked: { number, method, path, headers, body }, length };
}

function write(socket: Socket, answer: Answer): void {
  if (answer.lost) {
    socket.end();
  }
  if (answer.lost || answer.silent) {
    return;
  }
  const body = Buffer.from(answer.body ?? "");
  const framing = answer.framing ?? "chunked";
  const headers = { ...answer.headers };
  if (framing === "chunked") {
    headers["Transfer-Encoding"] = "chunked";
  } else if (answer.status !== 204) {
    headers["Content-Length"] = String(body.length);
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const chunk = framing === "chunked" && body.length > 0 ? [`${body.length.toString(16)}\r\n`, body, "\r\n"] : [body];
  const end = answer.end ?? "clean";
  const last = framing === "chunked" && end === "clean" ? "0\r\n\r\n" : "";
  const parts = [`HTTP/1.1 ${answer.status ?? 200} X\r\n${head.join("")}\r\n`, ...chunk, last];
  // An RST may overtake what the peer has not read: it goes once the bytes have been handed over.
  socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))), () => {
    if (answer.later !== undefined) {
      answer.later.then((text) => socket.end(`${text.length.toString(16)}\r\n${text}\r\n`));
    } else if (end === "cut") {
      socket.end();
    } else if (end === "reset") {
      socket.resetAndDestroy();
    }
  });
}
