// Bundles a page into one script: node build.mjs <web> <packages> <out> <entry>. The bundler and our client are of
// <web>, what the page is written with is of <packages>.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [web, packages, out, entry] = process.argv.slice(2);
const here = dirname(entry);
const { build } = await import(pathToFileURL(createRequire(join(web, "package.json")).resolve("vite")).href);

const packagesOfThePage = {
  name: "packages-of-the-page",
  enforce: "pre",
  resolveId(source, importer) {
    if (source.startsWith("@headwater/client/")) return join(web, "client", "src", `${source.slice(18)}.ts`);
    const bare = importer?.startsWith(here) && !/^[./]/.test(source);
    return bare ? this.resolve(source, join(packages, "page.js"), { skipSelf: true }) : null;
  },
};

await build({
  root: here,
  configFile: false,
  logLevel: "error",
  plugins: [packagesOfThePage],
  define: { "process.env.NODE_ENV": '"development"' },
  build: {
    outDir: out,
    emptyOutDir: false,
    minify: false,
    lib: { entry, formats: ["es"], fileName: () => "page.js" },
  },
});
