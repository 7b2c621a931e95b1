"""`headwater-client`, the client without the server: built, installed with nothing but what it requires, and used."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.scene import Scene
from tests.kit.product import Product
from tests.recordings import PROJECT_ROOT

pytestmark = pytest.mark.slow

DISTRIBUTION: Final = PROJECT_ROOT / "distributions" / "client"
NAME: Final = re.compile(r"[A-Za-z0-9._-]+")

#: Streams a run over each way, and says what it saw and which of our modules that took.
PROGRAM: Final = """
import asyncio, json, sys
from headwater.client import BlockingClient, HeadwaterClient, Message, RunRequest

async def read(url):
    seen = {}
    async with HeadwaterClient(url) as client:
        request = RunRequest(model="simulated", messages=[Message("user", "Hello")])
        records = [record async for record in client.start_and_follow(request)]
        run = (await client.list()).runs[0].id
        for via in ("sse", "ndjson", "long-poll"):
            seen[via] = [record async for record in client.follow(run, via=via)] == records
        try:
            await anext(client.follow(run, via="websocket"))
        except ModuleNotFoundError as error:
            seen["websocket"] = "headwater-client[websocket]" in str(error)
    with BlockingClient(url) as client:
        seen["blocking"] = list(client.follow(run)) == records
    return {"run": run, "records": len(records), "last": records[-1].event.type, "same": seen}

said = asyncio.run(read(sys.argv[1]))
try:
    import headwater.api
except ModuleNotFoundError:
    said["has_server"] = False
said["rooms"] = sorted({name.split(".")[1] for name in sys.modules if name.startswith("headwater.")})
print(json.dumps(said))
"""


def closure(names: list[str]) -> set[str]:
    """These distributions and all that they require here, by the names that they go by."""
    found: set[str] = set()
    while names:
        name = names.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform; `pip check` tells if it was not
        if distribution.name not in found:
            found.add(distribution.name)
            for requirement in distribution.requires or []:
                match = NAME.match(requirement)
                if "extra ==" not in requirement and match:
                    names.append(match[0])
    return found


def requirements(of: Path) -> dict[str, str]:
    project = tomllib.loads(of.read_text())["project"]
    return {match[0]: each for each in project["dependencies"] if (match := NAME.match(each))}


def run(*command: str | Path, cwd: Path | None = None) -> str:
    # Neither the sources nor the tests' tools are to be found by what runs here.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the client's wheel and its requirements, and nothing else."""
    work = tmp_path_factory.mktemp("client")
    # Of the archive and not of the checkout: what is published must be whole.
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", work, cwd=DISTRIBUTION)
    shutil.unpack_archive(next(work.glob("*.tar.gz")), work / "source", filter="data")
    (source,) = (work / "source").iterdir()
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", work, cwd=source)
    venv.EnvBuilder(symlinks=True).create(work / "venv")
    python = work / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for name in closure(list(requirements(DISTRIBUTION / "pyproject.toml"))):
        lend(importlib.metadata.distribution(name), site)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    run(*pip, "install", "-qq", "--no-deps", "--no-index", next(work.glob("*.whl")))
    run(*pip, "check")
    return python


def lend(distribution: importlib.metadata.Distribution, site: Path) -> None:
    """What is installed here, in another environment too: as it is, and without a registry."""
    for file in distribution.files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)


async def test_the_client_alone_streams_from_a_real_server(python: Path, data_dir: Path) -> None:
    async with Product(data_dir) as product:
        said = json.loads(run(python, "-c", PROGRAM, product.url, cwd=python.parent))
        payloads = await Scene(product).payloads(said["run"])
    assert said["records"] == len(payloads) > 3
    assert said["last"] == "complete"
    assert said["same"] == dict.fromkeys(["sse", "ndjson", "long-poll", "websocket", "blocking"], True)
    assert said["has_server"] is False
    assert said["rooms"] == ["client", "domain", "errors", "wire"]


def test_it_requires_what_the_server_requires_and_little_of_it() -> None:
    client = requirements(DISTRIBUTION / "pyproject.toml")
    server = requirements(PROJECT_ROOT / "pyproject.toml")
    assert client.keys() == {"httpx2", "msgspec"}
    assert client.items() <= server.items()


def test_the_servers_own_archive_holds_what_is_linked_to(tmp_path: Path) -> None:
    """hatchling visits no folder twice on one walk: whether it comes by the link or by the name was chance."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    run("env", "HATCH_BUILD_NO_HOOKS=true", *hatchling, cwd=PROJECT_ROOT)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    package = PROJECT_ROOT / "src" / "headwater"
    modules = {path.relative_to(PROJECT_ROOT).as_posix() for path in package.rglob("*.py")}
    assert modules <= held
    assert {f"distributions/client/{module}" for module in modules if "/client/" in module} <= held


def test_it_has_the_same_license() -> None:
    assert (DISTRIBUTION / "LICENSE").read_bytes() == (PROJECT_ROOT / "LICENSE").read_bytes()
