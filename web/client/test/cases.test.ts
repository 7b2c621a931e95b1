/** spec/cases with the TypeScript client: the other clients' runners read the same files. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ClientError,
  decodeRecord,
  type Frame,
  Headwater,
  ParseError,
  type ProtocolRecord,
  SseDecoder,
} from "../src/index.ts";
import { emptySnapshot, fold } from "../src/fold.ts";
import { type CaseAnswer, FOLD, FOLLOW, type FollowCase, FRAMES, type FramesCase } from "./cases.ts";
import { type Answer, type Asked, ScriptedServer } from "./scripted-server.ts";

const RUN = "run_00000000000000000000000000000001";
const OPENING = ": ok\n\nretry: 500\n\n";

for (const each of FRAMES) {
  test(`frames: ${each.name}`, () => {
    const body = Buffer.from(each.body_base64 ?? each.body ?? "", each.body_base64 === undefined ? "utf-8" : "base64");
    checkFrames(each, [body]);
    checkFrames(
      each,
      Array.from(body, (byte) => Buffer.of(byte)),
    );
    for (let cut = 0; cut < body.length; cut += 1) {
      checkFrames(each, [body.subarray(0, cut), body.subarray(cut)]);
    }
  });
}

function checkFrames(each: FramesCase, pieces: readonly Uint8Array[]): void {
  const decoder = new SseDecoder({
    ...(each.line_max === undefined ? {} : { lineCharsMax: each.line_max }),
    ...(each.event_max === undefined ? {} : { eventCharsMax: each.event_max }),
  });
  const frames: Frame[] = [];
  let faulty = false;
  try {
    for (const piece of pieces) {
      frames.push(...decoder.feed(piece));
    }
    decoder.end();
  } catch (error) {
    assert.ok(error instanceof ParseError);
    faulty = true;
  }
  assert.deepEqual(frames, each.frames);
  assert.equal(faulty, each.fault ?? false);
  assert.equal(decoder.comments, each.comments ?? decoder.comments);
  assert.equal(decoder.retryMs, each.retry_ms ?? decoder.retryMs);
  assert.equal(decoder.lastEventId, each.last_event_id ?? decoder.lastEventId);
}

for (const each of FOLLOW.cases) {
  test(`follow: ${each.name}`, async () => {
    const first = each.answers[0];
    if (first === undefined || first === "rest" || first.cut_at !== "every") {
      await checkFollow(each, null);
      return;
    }
    const bytes = bodyOf(each, first).length;
    for (let cut = 0; cut <= bytes; cut += 1) {
      await checkFollow(each, cut);
    }
  });
}

async function checkFollow(each: FollowCase, cut: number | null): Promise<void> {
  const waitsMs: number[] = [];
  const retry = { triesMax: each.tries_max ?? 3 };
  await using server = await new ScriptedServer((asked) => {
    const number = Math.min(asked.number, each.answers.length) - 1;
    return answerOf(each, each.answers[number] ?? "rest", asked, number === 0 ? cut : null);
  }).listen();
  const headwater = new Headwater({
    baseUrl: server.url,
    random: () => 1,
    callRetry: retry,
    followRetry: retry,
    timing: {
      sleep: async (ms) => {
        waitsMs.push(ms);
      },
    },
  });
  const subscription = each.start
    ? headwater.startAndFollow({ model: "simulated", messages: [{ role: "user", content: "Hi" }] })
    : headwater.follow(RUN, { after: each.after ?? 0 });
  const seen: ProtocolRecord[] = [];
  let failure: ClientError | undefined;
  try {
    for await (const record of subscription) {
      seen.push(record);
    }
  } catch (error) {
    assert.ok(error instanceof ClientError, String(error));
    failure = error;
  }
  const log = logOf(each).map((record) => decodeRecord(JSON.stringify(record)));
  const about = `cut at ${cut}`;
  assert.deepEqual(seen, each.sees.map((seq) => log[seq - 1]), about);
  assert.deepEqual(failure && { name: failure.name, code: failure.code }, each.error, about);
  if (cut === null) {
    assert.deepEqual(server.asked.map(question), each.requests);
    assert.deepEqual(waitsMs, each.waits_ms ?? []);
  }
  const starts = server.asked.filter((asked) => asked.method === "POST");
  const kinds = new Set(starts.map((asked) => `${asked.headers["idempotency-key"]} ${asked.body}`));
  assert.equal(kinds.size, starts.length > 0 ? 1 : 0);
}

function question(asked: Asked): string {
  const [path, query] = asked.path.split("?");
  assert.equal(path, asked.method === "POST" ? "/api/v1/runs" : `/api/v1/runs/${RUN}/events`);
  return asked.method === "POST" ? "start" : (query ?? "");
}

function logOf(each: FollowCase): typeof FOLLOW.log {
  return each.log ?? FOLLOW.log;
}

function answerOf(each: FollowCase, scripted: CaseAnswer | "rest", asked: Asked, cut: number | null): Answer {
  const answer = scripted === "rest" ? restAfter(each, asked) : scripted;
  if (answer.lost) {
    return { lost: true };
  }
  const status = answer.status ?? 200;
  if (answer.send !== undefined) {
    const body = bodyOf(each, answer);
    const end = cut === null ? (answer.end ?? "clean") : "cut";
    const headers = { "Content-Type": "text/event-stream; charset=utf-8", "X-Run-Id": RUN };
    return { status, headers, body: body.subarray(0, cut ?? body.length), end };
  }
  const isProblem = answer.problem !== undefined;
  const media = isProblem ? "application/problem+json" : "text/plain";
  const body = isProblem ? JSON.stringify(answer.problem) : (answer.body ?? "");
  return { status, headers: { "Content-Type": media, "X-Run-Id": RUN, ...answer.headers }, body, framing: "length" };
}

function restAfter(each: FollowCase, asked: Asked): CaseAnswer {
  const cursor = Number(new URLSearchParams(asked.path.split("?")[1]).get("after"));
  return { send: ["opening", ...logOf(each).map((record) => record.seq).filter((seq) => seq > cursor)] };
}

function bodyOf(each: FollowCase, answer: CaseAnswer): Buffer {
  const blocks = (answer.send ?? []).map((item) => {
    if (item === "opening") {
      return OPENING;
    }
    return typeof item === "number" ? `id: ${item}\ndata: ${JSON.stringify(logOf(each)[item - 1])}\n\n` : item.raw;
  });
  return Buffer.from(blocks.join(""));
}

for (const each of FOLD) {
  test(`fold: ${each.name}`, () => {
    const records = each.records.map((record) => decodeRecord(JSON.stringify(record)));
    assert.deepEqual(records.reduce(fold, emptySnapshot()), each.snapshot);
  });
}
