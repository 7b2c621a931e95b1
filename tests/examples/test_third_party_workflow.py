"""The example of a workflow, really installed: its own tests, a run on a real server, and broken ones beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from headwater.domain.run import LOCAL_OWNER
from headwater.storage.sqlite import SqliteStorage
from tests.acceptance.scene import Scene
from tests.kit.client import call
from tests.kit.product import Product
from tests.kit.site import beside, write_distribution

EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "third_party_workflow"
MODULE: Final = EXAMPLE / "headwater_translator.py"
ASKED: Final = {
    "workflow": "translator",
    "model": "simulated",
    "input": {"text": "Good morning, heron.", "languages": ["German", "French"]},
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what pip makes of the example: without network, without what it depends on."""
    work = tmp_path_factory.mktemp("workflow")
    source = work / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-qq"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(work / "site"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return work / "site"


#: Entry points that lead nowhere, to the wrong thing, and one that takes a name of ours.
BROKEN: Final = {
    "gone": "not_there_at_all:Workflow",
    "raising": "broken:WORKFLOW",
    "odd": "broken:ODD",
    "chat": "broken:Late",
}

#: Looks whole, and fails wherever it is asked, quoting all that it knows.
LATE: Final = """
from headwater.domain.event import Chunk
from headwater.workflows.contract import Workflow

ODD = object()


class Late(Workflow):
    name = "late"
    input_schema = {"type": "object"}

    def check(self, request):
        if "check" in request.input:
            raise KeyError(request.input)

    async def run(self, context):
        yield [Chunk("said", 0)]
        if "run" in context.request.input:
            raise KeyError(context.request.input)
        if "forge" in context.request.input:
            from headwater.domain.event import Error
            yield [Error("SERVER", str(context.request.input), False)]

    def documents(self, ended):
        if "documents" in ended.request.input:
            raise KeyError(ended.request.input)
        return []


def __getattr__(name):
    raise RuntimeError("no")
"""


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    # Without the module beside them, so that what was installed is tested.
    shutil.copytree(EXAMPLE, tmp_path / "copy", ignore=shutil.ignore_patterns(MODULE.name, "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path / "copy",
        env={**os.environ, **beside(installed)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


async def test_a_run_goes_through_the_workflow(installed: Path, data_dir: Path) -> None:
    async with Product(data_dir, environ=beside(installed)) as product:
        listed = {
            row["name"]: row for row in (await call(product.port, "GET", "/api/v1/workflows")).json()["workflows"]
        }
        assert (listed["translator"]["title"], listed["chat"]["input_schema"]) == ("Translator", None)
        assert listed["translator"]["input_schema"]["required"] == ["text"]
        started = await call(product.port, "POST", "/api/v1/runs", ASKED)
        assert started.status == 201, started.body
        run = started.json()["id"]
        end = await Scene(product).end(run)
        assert end.type == "complete"
        translations = end.data["result"]["translations"]
        assert [*translations] == ["German", "French"]
        assert end.data["final_response"] == "".join(translations.values())
        row = (await call(product.port, "GET", f"/api/v1/runs/{run}")).json()
        assert [each["role"] for each in row["snapshot"]["calls"]] == ["answer", "answer"]
        for wrong, pointer in (({}, "/input"), ({"text": "x", "languages": ["de", 7]}, "/input/languages/1")):
            refused = await call(product.port, "POST", "/api/v1/runs", {**ASKED, "input": wrong})
            assert (refused.status, refused.json()["code"]) == (400, "BAD_REQUEST")
            assert refused.json()["pointer"] == pointer
        assert await product.terminate() == 0
    storage = SqliteStorage(data_dir)
    await storage.open()
    (kept,) = (await storage.documents.list(LOCAL_OWNER, "translations", where={"state": "completed"})).documents
    assert kept.body == {"text": "Good morning, heron.", "translations": translations}
    await storage.close()


async def test_broken_workflows_are_told_of_and_stop_nothing(installed: Path, data_dir: Path, tmp_path: Path) -> None:
    groups = {"headwater.workflows": {**BROKEN, "late": "broken:Late"}}
    site = write_distribution(tmp_path / "broken", "headwater-broken", {"broken": LATE}, groups)
    async with Product(data_dir, environ=beside(site, installed)) as product:
        scene = Scene(product)
        for name in BROKEN:
            assert f"The workflow `{name}` (" in product.log_text
        assert (await scene.end(await scene.start("Hello"))).type == "complete"
        late = {"workflow": "late", "model": "simulated"}
        refused = await call(product.port, "POST", "/api/v1/runs", {**late, "input": {"check": "Kanarie"}})
        assert (refused.status, refused.json()["code"]) == (500, "SERVER")
        assert b"Kanarie" not in refused.body
        for place in ("run", "forge", "documents"):
            started = await call(product.port, "POST", "/api/v1/runs", {**late, "input": {place: "Kanarie"}})
            end = await scene.end(started.json()["id"])
            assert (end.type, end.data["code"]) == ("error", "SERVER")
            assert "Kanarie" not in str(end.data)
        started = await call(product.port, "POST", "/api/v1/runs", {**late, "input": {}})
        assert (await scene.end(started.json()["id"])).type == "complete"
        assert "Kanarie" not in product.log_text
