/**
 * The client as tests/cuts drives it, to compare what it shows with the log while its connections are cut: a reading to
 * make is a line of JSON on standard input, what came of it one on standard output. `tests/cuts/driver.py` says how.
 */

import { createInterface } from "node:readline";

import { sleep } from "../src/follower.ts";
import { ClientError, Headwater, type ProtocolRecord, type RunRequest } from "../src/index.ts";
import { pagesFetch } from "../src/transports.ts";
import { webSocketFetch } from "../src/websocket.ts";

interface Reading {
  readonly id: number;
  readonly url: string;
  readonly via: "sse" | "websocket" | "long-poll";
  readonly heartbeat_ms: number;
  readonly haste: number;
  readonly run?: string;
  readonly start?: RunRequest;
}

async function read({ id, url, via, heartbeat_ms, haste, run, start }: Reading): Promise<object> {
  const timing = {
    heartbeatMs: heartbeat_ms,
    sleep: (ms: number, signal: AbortSignal): Promise<void> => sleep(ms / haste, signal),
  };
  const transports = {
    sse: () => fetch,
    websocket: () => webSocketFetch({ heartbeatMs: heartbeat_ms }),
    "long-poll": () => pagesFetch({ waitMs: heartbeat_ms }),
  };
  const headwater = new Headwater({ baseUrl: url, timing, fetch: transports[via]() });
  const subscription = run === undefined ? headwater.startAndFollow(start ?? { model: "" }) : headwater.follow(run);
  const records: ProtocolRecord[] = [];
  let failure: { name: string; code: string; message: string } | null = null;
  try {
    for await (const record of subscription) {
      records.push(record);
    }
  } catch (error) {
    const { name, message } = error as Error;
    failure = { name, code: error instanceof ClientError ? error.code : name, message };
  }
  return { id, run: subscription.run, records, error: failure };
}

for await (const line of createInterface({ input: process.stdin })) {
  void read(JSON.parse(line) as Reading).then((came) => process.stdout.write(`${JSON.stringify(came)}\n`));
}
