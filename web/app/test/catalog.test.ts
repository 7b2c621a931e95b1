import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelHealth, ModelResource } from "@headwater/client";
import {
  choicesOf,
  EVERYTHING,
  healthByModel,
  healthWords,
  matches,
  priceWords,
  statusWords,
  tellingCapabilities,
} from "../src/models/catalog.ts";

function model(name: string, more: Partial<ModelResource> = {}): ModelResource {
  return { name, provider: "openai", model: name, capabilities: ["text"], price: null, missing_key: null, ...more };
}

const MODELS = [
  model("gpt-5-mini", { capabilities: ["text", "tools", "images", "reasoning"] }),
  model("claude", { provider: "anthropic", model: "claude-haiku-4-5", capabilities: ["text", "tools", "swimming"] }),
  model("plain", { provider: "local", capabilities: ["text", "tools"] }),
];

function found(filter: Partial<typeof EVERYTHING>): string[] {
  return MODELS.filter((each) => matches(each, { ...EVERYTHING, ...filter })).map(({ name }) => name);
}

test("a model is found by any of its names and by what it can do", () => {
  assert.deepEqual(found({}), ["gpt-5-mini", "claude", "plain"]);
  assert.deepEqual(found({ text: "MINI" }), ["gpt-5-mini"]);
  assert.deepEqual(found({ text: "haiku" }), ["claude"]);
  assert.deepEqual(found({ text: " openai  reasoning " }), ["gpt-5-mini"]);
  assert.deepEqual(found({ text: "nothing" }), []);
  assert.deepEqual(found({ provider: "local" }), ["plain"]);
  assert.deepEqual(found({ capabilities: new Set(["tools", "images"]) }), ["gpt-5-mini"]);
  assert.deepEqual(found({ capabilities: new Set(["images"]), provider: "local" }), []);
});

test("there is a choice only between what is not the same of all", () => {
  assert.deepEqual(choicesOf(MODELS), {
    providers: ["anthropic", "local", "openai"],
    capabilities: ["reasoning", "images", "swimming"],
  });
  assert.deepEqual(choicesOf([model("one")]), { providers: ["openai"], capabilities: [] });
  assert.deepEqual(tellingCapabilities(model("one")), []);
});

test("a price that nobody knows is not called nothing", () => {
  assert.equal(priceWords(model("one")), null);
  assert.equal(priceWords(model("one", { price: { input: 0, output: 0 } })), "free");
  const priced = model("one", { price: { input: 0.075, output: 2 } });
  assert.deepEqual(priceWords(priced), { input: "$0.075", output: "$2.00" });
});

const WELL: ModelHealth = {
  name: "one",
  model: "one",
  calls: 41,
  failures: 1,
  success_rate: 40 / 41,
  first_token_ms: 420,
  first_token_ms_p95: 900,
  tokens_per_s: 38.4,
  last_error: null,
  breaker: { state: "closed", rests_ms: 0 },
};

test("how a model has been is told in words", () => {
  const told = (health: Partial<ModelHealth>): [string, string] => {
    const { level, words } = healthWords({ ...WELL, ...health });
    return [level, words];
  };
  assert.deepEqual(told({}), ["good", "Well · 97 % of 41 calls"]);
  assert.deepEqual(told({ calls: 1, success_rate: 1 }), ["good", "Well · 100 % of 1 call"]);
  assert.deepEqual(told({ success_rate: 0.949 }), ["uneven", "Uneven · 94 % of 41 calls"]);
  assert.deepEqual(told({ success_rate: 0.2 }), ["bad", "Failing · 20 % of 41 calls"]);
  assert.deepEqual(told({ calls: 0, success_rate: null }), ["unknown", "Not called lately"]);
  assert.deepEqual(told({ breaker: { state: "open", rests_ms: 11_200 } }), ["bad", "Resting, tried again in 12 s"]);
  assert.deepEqual(told({ breaker: { state: "half_open", rests_ms: 0 } }), ["uneven", "Being tried again"]);
  assert.deepEqual(healthWords(undefined), { level: "unknown", words: "Not called lately", figures: null });
});

test("a model that the server has no key for is not one that was not called", () => {
  const keyless = model("one", { missing_key: "OPENAI_API_KEY" });
  const told = { level: "unknown", words: "No key", figures: "OPENAI_API_KEY is not set" };
  assert.deepEqual(statusWords(keyless, undefined), told);
  assert.deepEqual(statusWords(keyless, WELL), told);
  assert.deepEqual(statusWords(model("one"), WELL), healthWords(WELL));
});

test("its figures are there where they are known", () => {
  assert.equal(healthWords(WELL).figures, "first token 420 ms · 38 tokens/s");
  assert.equal(healthWords({ ...WELL, first_token_ms: 1234, tokens_per_s: null }).figures, "first token 1.2 s");
  assert.equal(healthWords({ ...WELL, first_token_ms: null, tokens_per_s: null }).figures, null);
  assert.equal(healthByModel([{ name: "openai", models: [WELL] }]).get("one"), WELL);
});
