"""Build the TypeScript client as a package that Node and every bundler take: JavaScript, with its types beside it.

    .venv/bin/python -m tools.client_package [DIRECTORY]

Here the client is used as its sources, which Node refuses to read inside `node_modules`. What is made, in
`build/client-npm` if nothing else is said, is `package/`, and beside it what `npm pack` makes of that. Exits with 1 and
a sentence if it can not build.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.pages import NODE, NODE_LIMIT_S, BuildError, Project, npm

#: Of the package's description, what only its sources need.
_OF_SOURCES = frozenset({"devDependencies", "scripts", "files", "exports"})
_SOURCE_NAME = re.compile(r"""(["']\./[\w-]+)\.ts(["'])""")


def build(project: Project, out: Path) -> Path:
    """Makes the package anew and returns the packed file; what else is in `out` stays. Raises `BuildError`."""
    project.install()
    client, package = project.web / "client", out / "package"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    _compile(project, client, package / "dist")
    described = json.loads((client / "package.json").read_bytes())
    (package / "package.json").write_text(json.dumps(built(described), indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(client / "README.md", package / "README.md")
    shutil.copyfile(project.root / "LICENSE", package / "LICENSE")
    npm(package, "pack", "--pack-destination", str(out))
    return out / f"headwater-client-{described['version']}.tgz"


def built(described: dict[str, Any]) -> dict[str, Any]:
    """The description of the built package, from that of its sources."""
    exports = {
        name: {"types": _in_dist(paths["types"], ".d.ts"), "default": _in_dist(paths["default"], ".js")}
        for name, paths in described["exports"].items()
    }
    kept = {name: value for name, value in described.items() if name not in _OF_SOURCES}
    return {**kept, "engines": {"node": ">=22"}, "exports": exports, "files": ["dist"]}


def _in_dist(source: str, suffix: str) -> str:
    return "./dist/" + source.removeprefix("./src/").removesuffix(".ts") + suffix


def _compile(project: Project, client: Path, dist: Path) -> None:
    options = {"noEmit": False, "declaration": True, "rewriteRelativeImportExtensions": True}
    config = {
        "extends": str(client / "tsconfig.json"),
        "compilerOptions": {**options, "rootDir": str(client / "src"), "outDir": str(dist)},
        "include": [str(client / "src")],
    }
    made = dist.parent / "tsconfig.json"
    made.write_text(json.dumps(config), encoding="utf-8")
    command: list[str | Path] = [NODE, project.web / "node_modules" / "typescript" / "bin" / "tsc", "-p", made]
    done = subprocess.run(command, capture_output=True, text=True, timeout=NODE_LIMIT_S, check=False)
    made.unlink()
    if done.returncode != 0:
        raise BuildError(f"the TypeScript client does not compile:\n{done.stdout}{done.stderr}")
    # TypeScript names other files of the client rightly in what runs, and as they were in what is declared.
    for path in dist.glob("*.d.ts"):
        path.write_text(_SOURCE_NAME.sub(r"\1.js\2", path.read_text(encoding="utf-8")), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description="Build the TypeScript client as a package.")
    parser.add_argument("directory", nargs="?", type=Path, default=root / "build" / "client-npm")
    try:
        print(build(Project(root), parser.parse_args(arguments).directory))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
