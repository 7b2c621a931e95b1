"""The TypeScript client: its own tests, its types, and its size are part of this project's."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.web.node import CLIENT, installed, run_node

LINES_MAX = 500
COLUMNS_MAX = 120


@pytest.mark.slow
def test_its_own_tests_pass() -> None:
    tests = sorted(path.relative_to(CLIENT) for path in (CLIENT / "test").glob("*.test.ts"))
    assert tests
    # Node has an EventSource, but not by itself.
    done = run_node("--experimental-eventsource", "--test", *tests)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "fail 0" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("project", [".", "test"])
def test_its_types_are_right(project: str) -> None:
    done = run_node(installed() / "typescript" / "bin" / "tsc", "-p", project)
    assert done.returncode == 0, done.stdout[-8000:]


def test_a_wrong_type_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.ts"
    wrong.write_text(
        f'import {{ Headwater }} from "{CLIENT}/src/index.ts";\n'
        "for await (const record of new Headwater().follow('run_1')) {\n"
        "  if (record.type === 'chunk') { const text: number = record.data.content; }\n"
        "}\n"
    )
    (tmp_path / "tsconfig.json").write_text(f'{{"extends": "{CLIENT}/tsconfig.json", "include": ["wrong.ts"]}}')
    done = run_node(installed() / "typescript" / "bin" / "tsc", "-p", tmp_path)
    assert "error TS2322: Type 'string' is not assignable to type 'number'" in done.stdout, done.stdout


#: Of each entry, all that it exports; React is the page's own.
BYTES_MAX = {
    "index": 6000,
    "by-type": 3840,
    "fold": 3136,
    "cursor-store": 1024,
    "many": 4352,
    "sse-stream-reader": 4864,
    "transports": 3328,
    "compat": 10240,
    "react": 12544,
    "shared": 6656,
    "websocket": 2688,
}


@pytest.mark.slow
@pytest.mark.parametrize(("entry", "bytes_max"), BYTES_MAX.items())
def test_it_is_small_and_needs_nothing_else(tmp_path: Path, entry: str, bytes_max: int) -> None:
    bundle = tmp_path / "client.js"
    rolldown = installed() / "rolldown" / "bin" / "cli.mjs"
    options: list[str | Path] = ["--file", bundle, "--format", "esm", "--minify", "--external", "react"]
    done = run_node(rolldown, f"src/{entry}.ts", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(gzip.compress(bundle.read_bytes(), 9)) <= bytes_max
    assert "dependencies" not in json.loads((CLIENT / "package.json").read_text())


@pytest.mark.slow
def test_what_its_readme_shows_has_the_right_types(tmp_path: Path) -> None:
    shown = re.findall(r"```ts\n(.*?)```", (CLIENT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(shown) >= 2
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(installed())
    for number, text in enumerate(shown):
        local = text.replace('"@headwater/client"', f'"{CLIENT}/src/index.ts"')
        local = re.sub(r'"@headwater/client/([\w-]+)"', rf'"{CLIENT}/src/\1.ts"', local)
        (tmp_path / f"shown{number}.ts").write_text(local)
    (tmp_path / "tsconfig.json").write_text(f'{{"extends": "{CLIENT}/tsconfig.json", "include": ["*.ts"]}}')
    done = run_node(installed() / "typescript" / "bin" / "tsc", "-p", tmp_path)
    assert done.returncode == 0, done.stdout


def test_its_files_and_lines_are_short() -> None:
    for path in CLIENT.rglob("*.ts"):
        lines = path.read_text(encoding="utf-8").splitlines()
        # What a tool makes is as long as what it is made from.
        assert len(lines) <= LINES_MAX or lines[0].startswith("// Made by tools/"), path
        assert [number for number, line in enumerate(lines, 1) if len(line) > COLUMNS_MAX] == [], path
