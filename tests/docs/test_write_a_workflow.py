"""The tutorial's workflow does what the page says: it is installed, listed, run, and keeps the laws."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import Scene
from tests.docs.test_readme import ROOT, Example, blocks, say
from tests.kit.client import call
from tests.kit.product import Product
from tests.kit.site import beside, write_distribution

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "tutorial" / "write-a-workflow.md").read_text(encoding="utf-8")
PYTHON = [text for language, text in blocks(PAGE) if language == "python"]
WRITER, TEST, KEEPS, TAKES_UP = PYTHON


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The tutorial's distribution, with the entry point that its project names."""
    (project,) = [tomllib.loads(text) for language, text in blocks(PAGE) if language == "toml"]
    groups: dict[str, dict[str, str]] = project["project"]["entry-points"]
    return write_distribution(tmp_path / "site", project["project"]["name"], {"headwater_writer": WRITER}, groups)


async def python(site: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=site,
        env={**os.environ, **beside(site, ROOT / "src")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_its_test_passes(site: Path) -> None:
    await asyncio.to_thread((site / "test_headwater_writer.py").write_text, TEST)
    assert "1 passed" in await python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider")


async def test_it_is_listed_and_run(site: Path, data_dir: Path) -> None:
    (program,) = [text for language, text in blocks(PAGE) if language == "sh"]
    async with Product(data_dir, environ=beside(site)) as product:
        said = await say(product, Example("sh", program, ""), site)
        assert '"name":"writer"' in said
        (run,) = [row["id"] for row in (await call(product.port, "GET", "/api/v1/runs")).json()["runs"]]
        end = await Scene(product).end(run)
        assert end.type == "complete"
        assert end.data["result"]["draft"]
        refused = await call(
            product.port, "POST", "/api/v1/runs", {"workflow": "writer", "model": "simulated", "input": {"about": ""}}
        )
        assert (refused.status, refused.json()["pointer"]) == (400, "/input/about")


def test_what_is_kept_is_what_the_page_says() -> None:
    names: dict[str, Any] = {}
    imports = (
        "from collections.abc import Sequence\n"
        "from headwater.domain.document import Document\n"
        "from headwater.workflows.contract import EndedRun\n"
        "from headwater.testing import check_workflow\n"
    )
    kept = f"class Keeps(Writer):\n{textwrap.indent(KEEPS, '    ')}"
    exec(compile(f"{WRITER}\n{imports}\n{kept}", "tutorial", "exec"), names)
    check = names["check_workflow"](names["Keeps"](), input={"about": "herons"}, answers=("Draft.", "Text."))
    (document,) = asyncio.run(check).documents
    assert (document.collection, document.body) == ("texts", {"about": "herons", "text": "Text."})
    assert document.words == {"state": "completed"}


def test_what_goes_on_after_a_crash_goes_on() -> None:
    names: dict[str, Any] = {}
    imports = (
        "from headwater.domain.event import Iteration\n"
        "from headwater.workflows.taking_up import withdrawn\n"
        "from headwater.testing import check_workflow\n"
        "STEPS = 2\n"
    )
    step = """\
async for events in context.generate(self.ask(context, f"step {number}")):
    yield events
yield [Iteration(number)]
"""
    run = TAKES_UP.replace("        ...\n", textwrap.indent(step, "        "))
    goes_on = f"class GoesOn(Writer):\n    takes_up = True\n{textwrap.indent(run, '    ')}"
    exec(compile(f"{WRITER}\n{imports}\n{goes_on}", "tutorial", "exec"), names)
    check = names["check_workflow"](names["GoesOn"](), input={"about": "herons"}, answers=("One. ", "Two."))
    assert asyncio.run(check).snapshot.text == "One. Two."
