"""The TypeScript client as a package: installed like any other, it runs in Node, has its types, and streams."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.kit.client import call
from tests.kit.product import Product
from tests.recordings import PROJECT_ROOT
from tests.web.node import CLIENT, installed, run_node
from tools import client_package
from tools.pages import NODE, BuildError, Project, npm

ENTRIES = json.loads((CLIENT / "package.json").read_bytes())["exports"]

PROGRAM = """
import { Headwater } from "@headwater/client";
import { emptySnapshot, fold } from "@headwater/client/fold";

const headwater = new Headwater({ baseUrl: process.argv[2] });
const messages = [{ role: "user", content: "Hello" }];
const request = { model: "simulated", messages, settings: { extra: { simulated: { words: 12, delay_ms: 0 } } } };
let snapshot = emptySnapshot();
for await (const record of headwater.startAndFollow(request)) snapshot = fold(snapshot, record);
console.log(JSON.stringify(snapshot));
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built twice, the second time over the first and beside what is another's."""
    out = tmp_path_factory.mktemp("packed")
    (out / "mine.tgz").touch()
    client_package.build(Project(PROJECT_ROOT), out)
    packed = client_package.build(Project(PROJECT_ROOT), out)
    assert (out / "mine.tgz").exists()
    return packed


@pytest.fixture(scope="module")
def application(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the packed file, and React beside it, are installed."""
    directory = tmp_path_factory.mktemp("application")
    (directory / "package.json").write_text('{"type": "module"}')
    npm(directory, "install", "--offline", "--omit=peer", str(packed))
    modules = directory / "node_modules"
    (modules / "react").symlink_to(installed() / "react")
    (modules / "@types").symlink_to(installed() / "@types")
    return directory


@pytest.mark.slow
def test_every_entry_runs_in_node(application: Path) -> None:
    names = ["@headwater/client" + entry.removeprefix(".") for entry in ENTRIES]
    program = "for (const name of process.argv.slice(1)) console.log(name, Object.keys(await import(name)).length)"
    done = run_node("--input-type=module", "-e", program, *names, cwd=application)
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, _ in told] == names
    assert all(int(count) > 0 for _, count in told)


@pytest.mark.slow
def test_it_has_its_types(application: Path) -> None:
    lines = [f'import * as each{at} from "@headwater/client{entry[1:]}";' for at, entry in enumerate(ENTRIES)]
    lines += [f"export const used{at} = each{at};" for at, _ in enumerate(ENTRIES)]
    lines += ['import { Headwater } from "@headwater/client";', "export const port: number = new Headwater({});"]
    (application / "uses.ts").write_text("\n".join(lines))
    options = {"strict": True, "noEmit": True, "module": "nodenext", "lib": ["es2024", "dom"], "types": ["node"]}
    (application / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["uses.ts"]}))
    done = run_node(installed() / "typescript" / "bin" / "tsc", "-p", application)
    # the wrong one, and it alone
    assert re.findall(r"^.*error (TS\d+)", done.stdout, re.MULTILINE) == ["TS2322"], done.stdout


@pytest.mark.slow
async def test_it_streams_from_a_server(application: Path, data_dir: Path) -> None:
    (application / "program.js").write_text(PROGRAM)
    async with Product(data_dir) as product:
        done = subprocess.run(  # noqa: ASYNC221  # the server is another process
            [NODE, "program.js", product.url], cwd=application, capture_output=True, text=True, check=False
        )
        (listed,) = (await call(product.port, "GET", "/api/v1/runs")).json()["runs"]
        run = (await call(product.port, "GET", f"/api/v1/runs/{listed['id']}")).json()
    assert done.returncode == 0, done.stderr
    snapshot = json.loads(done.stdout)
    assert snapshot["finish_reason"] == "stop"
    assert snapshot["text"] == run["snapshot"]["text"] != ""


@pytest.mark.slow
def test_only_what_runs_is_packed(application: Path) -> None:
    package = application / "node_modules" / "@headwater" / "client"
    files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert {"package.json", "README.md", "LICENSE", "dist/index.js", "dist/index.d.ts"} <= files
    assert all(name.startswith("dist/") or "/" not in name for name in files)
    assert [name for name in files if name.endswith(".ts") and not name.endswith(".d.ts")] == []
    described = json.loads((package / "package.json").read_bytes())
    assert "dependencies" not in described
    assert "devDependencies" not in described
    assert described["engines"] == {"node": ">=22"}


def test_what_it_says_where_it_can_not_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(project: Project, out: Path) -> Path:
        raise BuildError("It does not compile.")

    monkeypatch.setattr(client_package, "build", broken)
    assert client_package.main([os.devnull]) == 1
    assert capsys.readouterr().err == "It does not compile.\n"
