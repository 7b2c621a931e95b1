import assert from "node:assert/strict";
import { test } from "node:test";
import { EXAMPLE, MODELS_MAX, requestsOf } from "../src/models/ask.ts";

test("each model is asked the same, and all are known to belong together", () => {
  const settings = { reasoning_effort: "low" as const };
  const [one, two] = requestsOf("Why?\nTell me.", [{ model: "a" }, { model: "b", label: "slow", settings }]);
  assert.match(one?.metadata?.comparison ?? "", /^[0-9a-f]{32}$/);
  const metadata = { comparison: one?.metadata?.comparison ?? "", title: "Why?" };
  const messages = [{ role: "user" as const, content: "Why?\nTell me." }];
  assert.deepEqual(one, { model: "a", messages, metadata: { ...metadata, place: "0" } });
  assert.deepEqual(two, { model: "b", messages, metadata: { ...metadata, place: "1", label: "slow" }, settings });
  assert.notEqual(requestsOf("Why?", [{ model: "a" }])[0]?.metadata?.comparison, metadata.comparison);
});

test("the example needs no key and no more room than there is", () => {
  assert.ok(EXAMPLE.candidates.length <= MODELS_MAX);
  assert.ok(EXAMPLE.candidates.every(({ model }) => model === "simulated"));
});
