/** Lays a `.br` and a `.gz` beside every file that gets smaller by them; the server compresses nothing itself. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

// Fonts and pictures are compressed already.
const COMPRESSIBLE = /\.(html|js|css|svg|json|txt|webmanifest)$/;
// Below this an answer fits into one packet either way.
const BYTES_MIN = 1024;

const root = process.argv[2];
if (root === undefined) throw new Error("usage: node precompress.ts DIRECTORY");

const brotli = (raw: Buffer): Buffer =>
  brotliCompressSync(raw, {
    params: {
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
    },
  });

for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
  if (!COMPRESSIBLE.test(name)) continue;
  const path = join(root, name);
  const raw = readFileSync(path);
  if (raw.length < BYTES_MIN) continue;
  for (const [suffix, packed] of [[".br", brotli(raw)], [".gz", gzipSync(raw, { level: 9 })]] as const) {
    if (packed.length < raw.length * 0.9) writeFileSync(path + suffix, packed);
  }
}
