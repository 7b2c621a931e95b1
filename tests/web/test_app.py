"""The pages: their own tests of what is pure in them, their types, and the house's sizes. Browsers come to them in
`tests/browser`; what the first load weighs is checked by every build (`web/app/check-size.ts`)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.web.node import WEB, installed, run_node

APP = WEB / "app"
LINES_MAX = 500
COLUMNS_MAX = 120
WAYS_TO_HTML = ("dangerouslySetInnerHTML", "innerHTML", "insertAdjacentHTML", "document.write", "rehype-raw", "eval(")


@pytest.mark.slow
def test_their_own_tests_pass() -> None:
    tests = sorted(path.relative_to(APP) for path in (APP / "test").glob("*.test.ts"))
    assert tests
    done = run_node("--test", *tests, cwd=APP)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "fail 0" in done.stdout


@pytest.mark.slow
def test_their_types_are_right() -> None:
    done = run_node(installed() / "typescript" / "bin" / "tsc", "--noEmit", "-p", ".", cwd=APP)
    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.slow
def test_what_is_bundled_goes_along_with_its_licence(tmp_path: Path) -> None:
    """The names come from source maps and from what the app asks for, not from where the build takes them."""
    vite = installed() / "vite" / "bin" / "vite.js"
    done = run_node(vite, "build", "--sourcemap", "--outDir", tmp_path, "--emptyOutDir", cwd=APP)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    sources = [name for path in tmp_path.glob("assets/*.js.map") for name in json.loads(path.read_bytes())["sources"]]
    bundled = {found[-1] for name in sources if (found := re.findall(r"node_modules/((?:@[^/]+/)?[^/]+)/", name))}
    asked = set(json.loads((APP / "package.json").read_bytes())["dependencies"]) - {"@headwater/client"}
    assert len(bundled) > len(asked)
    notices = (tmp_path / "licenses.txt").read_text(encoding="utf-8")
    named = re.findall(r"^={80}\n(\S+) \d\S+ \(([\w.-]+)\)\n\n\S", notices, re.MULTILINE)
    assert bundled | asked | {"tailwindcss"} <= {name for name, _ in named}
    fonts = {name for name, license in named if license == "OFL-1.1"}
    assert fonts == {name for name in asked if name.startswith("@fontsource")}
    assert notices.count("SIL OPEN FONT LICENSE") == len(list(tmp_path.glob("assets/*.woff2"))) == len(fonts)


def test_every_file_is_of_the_house_size() -> None:
    sources = [path for path in (APP / "src").rglob("*") if path.suffix in {".ts", ".tsx", ".css"}]
    assert sources
    for path in [*sources, *APP.glob("*.ts"), *(APP / "test").glob("*.ts")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= LINES_MAX, path
        assert all(len(line) <= COLUMNS_MAX for line in lines), path


def test_nothing_of_theirs_becomes_active_html() -> None:
    # What a model says reaches the document through React only, which makes text of it.
    for path in (APP / "src").rglob("*.ts*"):
        source = path.read_text(encoding="utf-8")
        for way in WAYS_TO_HTML:
            assert way not in source, (path, way)
