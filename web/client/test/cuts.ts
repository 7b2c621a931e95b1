/**
 * The client as tests/cuts drives it, to compare what it shows with the log while its connections are cut: a reading to
 * make is a line of JSON on standard input, what came of it one on standard output. `tests/cuts/driver.py` says how.
 */

import { createInterface } from "node:readline";

import { HeadwaterChatTransport } from "../src/ai-sdk.ts";
import type { KeyValueStorage } from "../src/cursor-store.ts";
import { sleep } from "../src/follower.ts";
import { ClientError, Headwater, type RunRequest, type Subscription } from "../src/index.ts";
import { followMany } from "../src/many.ts";
import { sharedFetch } from "../src/shared.ts";
import { ndjsonFetch, pagesFetch } from "../src/transports.ts";
import { webSocketFetch } from "../src/websocket.ts";

interface Reading {
  readonly id: number;
  readonly url: string;
  readonly via: keyof typeof WAYS;
  readonly heartbeat_ms: number;
  readonly haste: number;
  readonly leave_after: number;
  readonly runs?: readonly string[];
  readonly start?: RunRequest;
  /** The AI SDK's chat that the runs are of. */
  readonly chat?: string;
}

/** What one caller was given of a run: records, or parts of the AI SDK's stream. */
interface Shown {
  run: string | null;
  readonly records: unknown[];
  /** It was closed on purpose. */
  left?: true;
}

/** Follows what is asked for, and writes what comes into what it gives back before anything can fail. */
type Way = (reading: Reading) => { readonly shown: readonly Shown[]; readonly done: Promise<unknown> };

function clientOf({ url, heartbeat_ms, haste }: Reading, transport: typeof fetch = fetch): Headwater {
  const nap = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms / haste, signal);
  return new Headwater({ baseUrl: url, timing: { heartbeatMs: heartbeat_ms, sleep: nap }, fetch: transport });
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function give({ id }: Reading, { records }: Shown, record: unknown): void {
  records.push(record);
  say({ id, given: records.length });
}

async function collect(reading: Reading, subscription: Subscription, shown: Shown): Promise<void> {
  try {
    for await (const record of subscription) {
      give(reading, shown, record);
    }
  } finally {
    shown.run = subscription.run;
  }
}

function alone(transportOf: (reading: Reading) => typeof fetch): Way {
  return (reading) => {
    const headwater = clientOf(reading, transportOf(reading));
    const [run] = reading.runs ?? [];
    const subscription =
      run === undefined ? headwater.startAndFollow(reading.start ?? { model: "" }) : headwater.follow(run);
    const shown: Shown = { run: null, records: [] };
    return { shown: [shown], done: collect(reading, subscription, shown) };
  };
}

const many: Way = (reading) => {
  const runs = reading.runs ?? [];
  const shown = new Map<string, Shown>(runs.map((run) => [run, { run, records: [] }]));
  const follow = async (): Promise<void> => {
    for await (const { run, record, error } of followMany(clientOf(reading), runs.map((run) => ({ run })))) {
      if (error !== undefined) {
        throw error;
      }
      give(reading, shown.get(run) ?? { run, records: [] }, record);
    }
  };
  return { shown: [...shown.values()], done: follow() };
};

/** Two tabs of one browser: the first has the connection of both, and is closed in the middle. */
const tabs: Way = (reading) => {
  const [run = ""] = reading.runs ?? [];
  const name = crypto.randomUUID();
  const open = () => sharedFetch({ baseUrl: reading.url, name, heartbeatMs: reading.heartbeat_ms });
  const [first, second] = [open(), open()];
  const shown: [Shown, Shown] = [
    { run, records: [], left: true },
    { run, records: [] },
  ];
  const leave = async (): Promise<void> => {
    const subscription = clientOf(reading, first).follow(run);
    for await (const record of subscription) {
      give(reading, shown[0], record);
      if (shown[0].records.length === reading.leave_after) {
        subscription.close();
      }
    }
    first.close();
  };
  const stay = collect(reading, clientOf(reading, second).follow(run), shown[1]).finally(() => second.close());
  return { shown, done: Promise.all([leave(), stay]) };
};

/** A page's memory that holds one run, and says which. */
class Memory implements KeyValueStorage {
  readonly #shown: Shown;
  #kept: string | null;

  constructor(shown: Shown) {
    this.#shown = shown;
    this.#kept = shown.run;
  }

  getItem(): string | null {
    return this.#kept;
  }

  setItem(_: string, run: string): void {
    this.#kept = this.#shown.run = run;
  }

  removeItem(): void {
    this.#kept = null;
  }
}

/** A page of the AI SDK: it asks, or it was reloaded and remembers the run whose end it has not seen. */
const aiSdk: Way = (reading) => {
  const { url, heartbeat_ms, haste, start, chat: chatId = "" } = reading;
  const shown: Shown = { run: reading.runs?.[0] ?? null, records: [] };
  const transport = new HeadwaterChatTransport({
    api: `${url}/api/chat`,
    retry: { baseMs: 1000 / haste, capMs: 8000 / haste },
    silenceMs: 2.5 * heartbeat_ms,
    storage: new Memory(shown),
  });
  const messages = start?.messages?.map(({ content }, place) => ({
    ...{ id: `m${place}`, role: "user", parts: [{ type: "text", text: content }] },
  }));
  const open = () =>
    messages === undefined
      ? transport.reconnectToStream({ chatId })
      : transport.sendMessages({
          ...{ chatId, messages, trigger: "submit-message" },
          body: { model: start?.model, settings: start?.settings },
        });
  const follow = async (): Promise<void> => {
    for await (const part of (await open()) ?? []) {
      give(reading, shown, part);
    }
  };
  return { shown: [shown], done: follow() };
};

const WAYS = {
  sse: alone(() => fetch),
  ndjson: alone(() => ndjsonFetch()),
  websocket: alone(({ heartbeat_ms }) => webSocketFetch({ heartbeatMs: heartbeat_ms })),
  "long-poll": alone(({ heartbeat_ms }) => pagesFetch({ waitMs: heartbeat_ms })),
  many,
  tabs,
  "ai-sdk": aiSdk,
};

async function read(reading: Reading): Promise<object> {
  const { shown, done } = WAYS[reading.via](reading);
  try {
    await done;
    return { id: reading.id, shown, error: null };
  } catch (error) {
    const { name, message } = error as Error;
    return { id: reading.id, shown, error: { name, code: error instanceof ClientError ? error.code : name, message } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  void read(JSON.parse(line) as Reading).then(say);
}
