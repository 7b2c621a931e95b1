/**
 * Writes the licences of everything that the pages are made of into one file, as those licences ask for: whoever gives
 * a bundle away gives the notices of what is in it along. A package without a licence text fails the build.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Plugin, Rolldown } from "vite";

export interface Part {
  readonly name: string;
  readonly version: string;
  /** SPDX, as the package says it. */
  readonly license: string;
  readonly text: string;
}

type Output =
  | Pick<Rolldown.OutputChunk, "type" | "moduleIds">
  | Pick<Rolldown.OutputAsset, "type" | "fileName" | "originalFileNames" | "source">;

const NODE_MODULES = "/node_modules/";
const LICENSE_FILE = /^(?:licen[cs]e|copying|notice)/i;
// What a build tool is made of itself is not in the pages.
const OF_THE_TOOL_ONLY = /\n# Licenses of bundled dependencies[^]*$/;
// A module that a tool makes up while it builds is code of that tool.
const MADE_UP = /^\0(vite|rolldown)\//;
// A style sheet that another one imports is drawn into it, and leaves its first comment.
const STYLE_BANNER = /\/\*! ((?:@[\w.-]+\/)?[\w.-]+) v\d/g;

/** The directory of the package that a file belongs to, or null for a file of this project. */
export function packageOf(file: string): string | null {
  const path = file.replaceAll("\\", "/");
  const at = path.lastIndexOf(NODE_MODULES);
  if (at < 0) return null;
  const inside = path.slice(at + NODE_MODULES.length).split("/");
  return path.slice(0, at) + NODE_MODULES + inside.slice(0, inside[0]?.startsWith("@") ? 2 : 1).join("/");
}

/** What a package says of itself. Throws where it holds no licence text. */
export function partIn(directory: string): Part {
  const { name, version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const files = readdirSync(directory).filter((file) => LICENSE_FILE.test(file));
  const texts = files.map((file) => readFileSync(join(directory, file), "utf8").replace(OF_THE_TOOL_ONLY, "").trim());
  if (texts.join("") === "") throw new Error(`${name} ${version} is in the pages, and has no licence to go along`);
  return { name, version, license, text: texts.join("\n\n") };
}

export function noticeOf(parts: readonly Part[]): string {
  const sorted = [...parts].sort((a, b) => (a.name < b.name ? -1 : 1));
  const each = sorted.map(
    ({ name, version, license, text }) => `${"=".repeat(80)}\n${name} ${version} (${license})\n\n${text}\n`,
  );
  const lead = "The pages of Headwater hold code, styles and fonts of these packages, each under its own licence.\n";
  return [lead, ...each].join("\n");
}

/** The directories of the packages that an output file holds something of. `workspace` is where the tools are. */
export function packagesIn(file: Output, app: string, workspace: string): string[] {
  const called = (name: string): string => join(workspace, "node_modules", name);
  if (file.type === "chunk") {
    return file.moduleIds.flatMap((id) => {
      const tool = MADE_UP.exec(id)?.[1];
      return tool === undefined ? (packageOf(id) ?? []) : called(tool);
    });
  }
  const banners = file.fileName.endsWith(".css") ? [...String(file.source).matchAll(STYLE_BANNER)] : [];
  const originals = file.originalFileNames.flatMap((name) => packageOf(resolve(app, name)) ?? []);
  return [...originals, ...banners.map(([, name = ""]) => called(name))];
}

export function licenses(fileName: string): Plugin {
  return {
    name: "headwater:licenses",
    apply: "build",
    generateBundle(_, bundle) {
      const app = this.environment.config.root;
      const directories = new Set(Object.values(bundle).flatMap((file) => packagesIn(file, app, join(app, ".."))));
      this.emitFile({ type: "asset", fileName, source: noticeOf([...directories].map(partIn)) });
    },
  };
}
