"""The pages are built where something changed, not otherwise, and a build that fails says why."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

from tools.pages import NODE, BuildError, Project, npm

pytestmark = pytest.mark.slow


def test_it_builds_when_the_sources_or_what_was_built_changed(project: Project) -> None:
    index = project.pages / "index.html"
    assert project.build()
    assert index.read_text() == "one"
    assert not project.build()
    (project.web / "app" / "text").write_text("two")
    assert project.build()
    assert index.read_text() == "two"
    index.write_text("by somebody else")
    assert project.build()
    assert index.read_text() == "two"
    assert not project.build()


def test_what_is_no_source_changes_nothing(project: Project) -> None:
    assert project.build()
    for place in ("node_modules/.vite", "node_modules/more", "app/test", "app/.cache"):
        (project.web / place).mkdir(parents=True, exist_ok=True)
        (project.web / place / "file").write_text("new")
    assert not project.build()


def test_what_gets_smaller_is_compressed(project: Project) -> None:
    project.build()
    names = sorted(path.name for path in (project.pages / "assets").iterdir())
    assert names == ["app-1.js", "app-1.js.br", "app-1.js.gz", "tiny-1.js"]
    unpack = "process.stdout.write(require('zlib').brotliDecompressSync(require('fs').readFileSync(process.argv[1])))"
    packed = project.pages / "assets" / "app-1.js.br"
    unpacked = subprocess.run([NODE, "-e", unpack, packed], check=True, capture_output=True).stdout
    assert unpacked == (project.pages / "assets" / "app-1.js").read_bytes()
    assert packed.stat().st_size < len(unpacked) / 10


def test_a_build_that_fails_says_what_npm_said_and_is_tried_again(project: Project) -> None:
    assert project.build()
    script = project.web / "app" / "build.js"
    working = script.read_text()
    script.write_text("console.error('the dog ate it'); process.exit(3)")
    with pytest.raises(BuildError, match=r"(?s)npm run build.* failed in web/ .*the dog ate it"):
        project.build()
    with pytest.raises(BuildError, match="the dog ate it"):
        project.build()
    script.write_text(working)
    assert project.build()


def test_a_build_that_makes_nothing_fails(project: Project) -> None:
    assert project.build()
    (project.web / "app" / "build.js").write_text("// nothing")
    with pytest.raises(BuildError, match=r"no index\.html"):
        project.build()


def test_packages_that_do_not_fit_the_lock_file_fail(project: Project) -> None:
    manifest = project.web / "app" / "package.json"
    manifest.write_text(manifest.read_text().replace("{", '{"dependencies": {"headwater-is-not-there": "1"},', 1))
    with pytest.raises(BuildError, match="`npm ci` failed"):
        project.build()


def test_a_registry_out_of_reach_is_told_with_what_to_do(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{closed}/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(BuildError, match=r"(?s)ECONNREFUSED.*Name\sa registry"):
        npm(project.web, "view", "headwater-is-not-there")
    with pytest.raises(BuildError) as failed:
        npm(project.web, "run", "headwater-is-not-there")
    assert "registry" not in str(failed.value)


def test_what_is_installed_is_not_installed_again(project: Project) -> None:
    project.install()
    note = project.web / "node_modules" / ".package-lock.json"
    inode = note.stat().st_ino
    mark = project.web / "node_modules" / "mark"
    mark.touch()
    project.install()
    assert (note.stat().st_ino, mark.exists()) == (inode, True)
    lock = json.loads(note.read_text())
    lock["packages"]["node_modules/left-over"] = {"version": "1.0.0"}
    note.write_text(json.dumps(lock))
    project.install()
    assert not mark.exists()
    assert "left-over" not in note.read_text()


def test_a_tree_without_sources_of_pages_fails(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no sources of the pages"):
        Project(tmp_path).build()


def test_npm_is_the_one_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(
        json.dumps({"scripts": {"where": "node -p process.execPath > where && node -p process.version >> where"}})
    )
    npm(tmp_path, "run", "where")
    path, version = (tmp_path / "where").read_text().split()
    assert Path(path).samefile(NODE)
    assert int(version.removeprefix("v").partition(".")[0]) >= 24
