import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { noticeOf, packageOf, packagesIn, partIn } from "../licenses.ts";

function directoryWith(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "headwater-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

test("a file is of the innermost package around it, or of this project", () => {
  assert.equal(packageOf("/p/node_modules/react/cjs/react.js"), "/p/node_modules/react");
  assert.equal(packageOf("/p/node_modules/@tanstack/store/index.js"), "/p/node_modules/@tanstack/store");
  assert.equal(packageOf("/p/node_modules/a/node_modules/b/c.js?x"), "/p/node_modules/a/node_modules/b");
  assert.equal(packageOf("/p/app/src/main.tsx"), null);
});

test("an output file holds code of packages and of the tools, fonts, and styles that were drawn in", () => {
  const moduleIds = ["/p/app/src/main.tsx", "/p/node_modules/react/index.js", "\0vite/preload-helper.js"];
  assert.deepEqual(packagesIn({ type: "chunk", moduleIds }, "/p/app", "/p"), [
    "/p/node_modules/react",
    "/p/node_modules/vite",
  ]);
  const font = { fileName: "assets/a.woff2", originalFileNames: ["../node_modules/@f/inter/a.woff2"], source: "" };
  assert.deepEqual(packagesIn({ type: "asset", ...font }, "/p/app", "/p"), ["/p/node_modules/@f/inter"]);
  const source = "/*! tailwindcss v4.3 | MIT */a{}";
  const styles = { fileName: "assets/a.css", originalFileNames: ["src/a.css"], source };
  assert.deepEqual(packagesIn({ type: "asset", ...styles }, "/p/app", "/p"), ["/p/node_modules/tailwindcss"]);
});

test("a package goes along with all its notices, or not at all", () => {
  const said = JSON.stringify({ name: "a", version: "1.0.0", license: "MIT" });
  const notices = { LICENSE: "Do as you like.\n", "NOTICE.md": "By A." };
  const whole = directoryWith({ "package.json": said, ...notices, "index.js": "" });
  const bare = directoryWith({ "package.json": said });
  try {
    assert.deepEqual(partIn(whole), { name: "a", version: "1.0.0", license: "MIT", text: "Do as you like.\n\nBy A." });
    assert.match(noticeOf([partIn(whole)]), /\na 1\.0\.0 \(MIT\)\n\nDo as you like\.\n\nBy A\.\n/);
    assert.throws(() => partIn(bare), /a 1\.0\.0 is in the pages, and has no licence/);
  } finally {
    for (const directory of [whole, bare]) rmSync(directory, { recursive: true });
  }
});
