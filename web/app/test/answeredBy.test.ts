import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelResource, RunResource, Snapshot } from "@headwater/client";
import { emptySnapshot } from "@headwater/client/fold";
import { answeredBy } from "../src/chat/answeredBy.ts";

const model = (name: string, known: string): ModelResource => ({
  name,
  provider: "openai",
  model: known,
  capabilities: ["text"],
  price: null,
  missing_key: null,
});
const MODELS = [model("fast", "gpt-5-nano"), model("good", "gpt-5-mini")];

function answer(known: string, text = "Well."): Snapshot {
  return { ...emptySnapshot(), text, calls: [{ call: 1, role: "answer", provider: "openai", model: known }] };
}

function by(snapshot: Snapshot, models = MODELS): string | null {
  const run = { model: "fast", request: { model: "fast", fallback: ["good"] } } as RunResource;
  return answeredBy(run, snapshot, models);
}

test("an answer of another model is told as that one's, by the name that callers use", () => {
  assert.equal(by(answer("gpt-5-mini")), "good");
  assert.equal(by(answer("gpt-5-mini"), MODELS.slice(0, 1)), "gpt-5-mini");
});

test("nothing is told of the model that was asked, of none, and of what is not known", () => {
  assert.equal(by(answer("gpt-5-nano")), null);
  assert.equal(by(answer("gpt-5-mini", "")), null);
  assert.equal(by(emptySnapshot()), null);
  assert.equal(by(answer("gpt-5-mini"), []), null);
});
