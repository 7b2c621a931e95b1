import assert from "node:assert/strict";
import { test } from "node:test";
import { NoStream, takesNoStream } from "../src/examiner/opening.ts";

const refused = (code: string) => takesNoStream(new NoStream({ code, message: "No." }));

test("an analysis is had without a stream where that is what is missing", () => {
  const codes = ["DISABLED", "NETWORK", "TIMEOUT", "PARSE", "MAX_RETRIES_EXCEEDED"];
  for (const code of codes) assert.equal(refused(code), true);
});

test("what is refused with a stream is refused without", () => {
  for (const code of ["NOT_FOUND", "BAD_REQUEST", "UNAUTHORIZED", "SERVER"]) assert.equal(refused(code), false);
  assert.equal(takesNoStream(new TypeError("a fault of the page")), false);
});
