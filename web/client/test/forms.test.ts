/** spec/cases/forms.json: older forms, read through a response whole and byte by byte. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ClientError, type ProtocolRecord } from "../src/index.ts";
import { SSEStreamReader } from "../src/sse-stream-reader.ts";
import { FORMS, type FormCase } from "./cases.ts";

for (const each of FORMS) {
  test(`forms: ${each.name}`, async () => {
    const body = Buffer.from(each.body);
    await check(each, [body]);
    await check(each, Array.from(body, (byte) => Buffer.of(byte)));
  });
}

async function check(each: FormCase, pieces: readonly Uint8Array<ArrayBuffer>[]): Promise<void> {
  const reader = new SSEStreamReader(answer(pieces, each.ends ?? "clean"));
  const seen: ProtocolRecord[] = [];
  let failure: ClientError | undefined;
  try {
    for await (const record of reader.readEvents()) {
      seen.push(record);
    }
  } catch (error) {
    assert.ok(error instanceof ClientError, String(error));
    failure = error;
  }
  assert.deepEqual(seen.map(({ seq }) => seq), each.events.map((_, at) => at + 1));
  assert.deepEqual(seen.map(({ t }) => t), each.events.map(() => 0));
  for (const [at, expected] of each.events.entries()) {
    const record = seen[at];
    assert.equal(record?.type === "unknown" ? record.name : record?.type, expected.type);
    const data = record?.data as Record<string, unknown>;
    assert.deepEqual(Object.fromEntries(Object.keys(expected.data).map((name) => [name, data[name]])), expected.data);
  }
  assert.equal(reader.form?.name ?? null, each.form);
  assert.deepEqual(failure && { name: failure.name, code: failure.code }, each.error);
  assert.equal(reader.eventsReceived, seen.length);
  assert.equal(reader.isStreaming, false);
}

function answer(pieces: readonly Uint8Array<ArrayBuffer>[], ends: "clean" | "cut"): Response {
  let at = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => {
      const piece = pieces[at];
      at += 1;
      if (piece !== undefined) {
        controller.enqueue(piece);
      } else if (ends === "clean") {
        controller.close();
      } else {
        controller.error(new TypeError("terminated"));
      }
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
}
