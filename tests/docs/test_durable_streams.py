"""The programs of the page on Durable Streams do what it says they do, on the product."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headwater.api.durable_streams import PAGE_BYTES_MAX
from headwater.api.durable_streams_request import RESERVED
from headwater.delivery.streams import CONNECTION_S, GAP_S
from headwater.domain.stream import StreamLimits
from tests.docs.test_readme import ROOT, Example, blocks, is_shown, say
from tests.kit.client import call, start_run
from tests.kit.product import Product
from tests.wire.oracles import NODE, ORACLES, installed_packages

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "howto" / "durable-streams.md").read_text(encoding="utf-8")


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Product]:
    async with Product(tmp_path / "data") as product:
        yield product


async def test_a_stream_is_kept(product: Product, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("this example is a command for curl, which is not here")
    (program,) = [text for language, text in blocks(PAGE) if language == "sh"]
    (output,) = [text for language, text in blocks(PAGE) if language == "text"]
    said = await say(product, Example("sh", program, output), tmp_path)
    assert is_shown(said, output), said


async def test_a_run_is_read(product: Product, tmp_path: Path) -> None:
    (program,) = [text for language, text in blocks(PAGE) if language == "js"]
    packages = await asyncio.to_thread(installed_packages, ORACLES / "durable_streams")
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    run = (await start_run(product.port)).json()["id"]
    names = f'const base = "{product.url}", run = "{run}";\n'
    (tmp_path / "example.mjs").write_text(program.replace("\n\n", f"\n\n{names}", 1))
    process = await asyncio.create_subprocess_exec(
        NODE, tmp_path / "example.mjs", stdout=asyncio.subprocess.PIPE, env={"PATH": os.environ.get("PATH", "")}
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    records = (await call(product.port, "GET", f"/v1/stream/runs/{run}")).json()
    assert out.decode().split() == [record["type"] for record in records]
    assert records[-1]["type"] == "complete"


def test_the_bounds_are_what_the_page_says() -> None:
    limits = StreamLimits()
    said = (
        *(f"`{name}`" for name in RESERVED),
        f"{PAGE_BYTES_MAX >> 20} MiB at most",
        f"after {CONNECTION_S:.0f} s",
        f"until {GAP_S:.0f} s after",
        f"{limits.producers_max:,} producers",
        f"at most {limits.fork_depth_max} deep",
    )
    assert [words for words in said if words not in PAGE] == []
