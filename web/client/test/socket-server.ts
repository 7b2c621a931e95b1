/** A server of WebSockets on a real socket (RFC 6455, as far as small texts need it), that says what it is told to. */

import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";

/** A message of the client's, and the connection that it came over, counted from 1. */
export interface Heard {
  readonly connection: number;
  readonly message: Readonly<Record<string, unknown>>;
}

/** What is said to a message, in order; "cut" ends the connection there. */
export type Says = readonly (object | "cut")[];

export class SocketServer {
  readonly heard: Heard[] = [];
  connections = 0;
  readonly open = new Set<Socket>();
  readonly #answer: (heard: Heard) => Says;
  readonly #server: Server;

  constructor(answer: (heard: Heard) => Says) {
    this.#answer = answer;
    this.#server = createServer((socket) => {
      this.connections += 1;
      this.open.add(socket);
      socket.on("close", () => this.open.delete(socket));
      socket.on("error", () => socket.destroy());
      this.#serve(socket, this.connections);
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

  /** Says the same to everybody, whether asked or not. */
  tell(message: object): void {
    for (const socket of this.open) {
      socket.write(textFrame(JSON.stringify(message)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.open) {
      socket.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket, connection: number): void {
    let buffer = Buffer.alloc(0);
    let isOpen = false;
    socket.on("data", (bytes) => {
      buffer = Buffer.concat([buffer, bytes]);
      if (!isOpen) {
        const end = buffer.indexOf("\r\n\r\n");
        if (end < 0) {
          return;
        }
        const key = /sec-websocket-key: (.*)\r\n/i.exec(buffer.toString("latin1"))?.[1] ?? "";
        const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
        socket.write(
          `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        );
        buffer = buffer.subarray(end + 4);
        isOpen = true;
      }
      for (let frame = takeFrame(buffer); frame !== null; frame = takeFrame(buffer)) {
        buffer = buffer.subarray(frame.length);
        if (frame.opcode === 8) {
          socket.end(Buffer.from([0x88, 0]));
        } else if (frame.opcode === 1) {
          this.#hear(socket, { connection, message: JSON.parse(frame.text) as Heard["message"] });
        }
      }
    });
  }

  #hear(socket: Socket, heard: Heard): void {
    this.heard.push(heard);
    for (const said of this.#answer(heard)) {
      if (said === "cut") {
        socket.destroySoon();
        return;
      }
      socket.write(textFrame(JSON.stringify(said)));
    }
  }
}

function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([0x81, ...length]), payload]);
}

/** The first frame of a client's, which is masked, if it is whole. */
function takeFrame(buffer: Buffer): { opcode: number; text: string; length: number } | null {
  if (buffer.length < 6) {
    return null;
  }
  const short = buffer.readUInt8(1) & 127;
  const size = short === 126 ? buffer.readUInt16BE(2) : short;
  const mask = short === 126 ? 4 : 2;
  const length = mask + 4 + size;
  if (buffer.length < length) {
    return null;
  }
  const payload = Buffer.from(buffer.subarray(mask + 4, length));
  for (const [at, byte] of payload.entries()) {
    payload[at] = byte ^ buffer.readUInt8(mask + (at & 3));
  }
  return { opcode: buffer.readUInt8(0) & 15, text: payload.toString(), length };
}
