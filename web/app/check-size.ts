/** Prints what the first load of the page weighs, gzipped, and fails above the bound. Run after `vite build`. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const FIRST_LOAD_BYTES_MAX = 200_000;
const pages = join(import.meta.dirname, "../../src/headwater/pages");
const gzipped = (path: string): number => gzipSync(readFileSync(join(pages, path)), { level: 9 }).length;

const index = readFileSync(join(pages, "index.html"), "utf8");
const first = [...index.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => match[1] ?? "");
const later = readdirSync(join(pages, "assets"))
  .map((name) => `assets/${name}`)
  .filter((path) => path.endsWith(".js") && !first.includes(path));

for (const path of first) console.log(`first load  ${String(gzipped(path)).padStart(7)} B  ${path}`);
for (const path of later) console.log(`later       ${String(gzipped(path)).padStart(7)} B  ${path}`);
const total = first.reduce((sum, path) => sum + gzipped(path), 0);
console.log(`first load: ${total} bytes of JavaScript, gzipped; the bound is ${FIRST_LOAD_BYTES_MAX}`);
if (first.length === 0 || total > FIRST_LOAD_BYTES_MAX) process.exit(1);
