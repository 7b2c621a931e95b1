import assert from "node:assert/strict";
import { test } from "node:test";
import { linkAddress, pictureAddress } from "../src/markdown/address.ts";

test("links go to the web and to mail, and nowhere else", () => {
  assert.equal(linkAddress("https://example.com/a?b=c#d"), "https://example.com/a?b=c#d");
  assert.equal(linkAddress("HTTP://example.com"), "http://example.com/");
  assert.equal(linkAddress("mailto:a@example.com"), "mailto:a@example.com");
  const refused = [
    "javascript:alert(1)",
    " \u0001javascript:alert(1)",
    "java\nscript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:https://example.com/1",
    "file:///etc/passwd",
    "/api/v1/runs",
    "//example.com",
    "#fragment",
    "",
    undefined,
  ];
  for (const address of refused) assert.equal(linkAddress(address), null, String(address));
});

test("pictures come from the web only, and their host is named", () => {
  assert.deepEqual(pictureAddress("https://example.com:8443/x.png"), {
    href: "https://example.com:8443/x.png",
    host: "example.com:8443",
  });
  for (const address of ["data:image/png;base64,AA", "mailto:a@b.c", "x.png", "javascript:1", undefined]) {
    assert.equal(pictureAddress(address), null, String(address));
  }
});
