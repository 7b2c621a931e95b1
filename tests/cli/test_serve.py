"""The command line against the product itself, each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from headwater.domain.event import decode_record
from tests.kit.product import Product

pytestmark = pytest.mark.slow


class Ended(NamedTuple):
    code: int
    out: str
    err: str


async def headwater(*arguments: str, url: str = "http://127.0.0.1:9") -> Ended:
    """Runs the command to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "headwater",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HEADWATER_URL": url},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@pytest_asyncio.fixture
async def product(data_dir: Path) -> AsyncIterator[Product]:
    async with Product(data_dir) as product:
        yield product


async def test_a_run_from_its_beginning_to_its_deletion(product: Product) -> None:
    said = await headwater("chat", "Hello there", url=product.url)
    assert said.code == 0, said.err
    assert "simulated" in said.out

    listed = await headwater("runs", "ls", "--json", url=product.url)
    (run,) = [row["id"] for row in json.loads(listed.out)["runs"]]

    shown = await headwater("runs", "show", run, "--json", url=product.url)
    snapshot = json.loads(shown.out)["snapshot"]
    assert snapshot["text"] == said.out.removesuffix("\n")

    tailed = await headwater("runs", "tail", run, "--json", url=product.url)
    records = [decode_record(line.encode()) for line in tailed.out.splitlines()]
    assert [record.seq for record in records] == list(range(1, snapshot["seq"] + 1))
    assert records[-1].event.type == "complete"

    cancelled = await headwater("runs", "cancel", run, url=product.url)
    assert cancelled.out == f"{run} completed\n"
    again = (await headwater("runs", "retry", run, url=product.url)).out.strip()
    assert again not in ("", run)
    assert (await headwater("runs", "tail", again, url=product.url)).code == 0
    assert (await headwater("runs", "rm", run, again, url=product.url)).code == 0
    assert (await headwater("runs", "show", run, url=product.url)).err == "headwater: There is no such run.\n"


async def test_a_cursor_past_the_end_is_told(product: Product) -> None:
    await headwater("chat", "Hello", url=product.url)
    run = json.loads((await headwater("runs", "ls", "--json", url=product.url)).out)["runs"][0]["id"]
    ended = await headwater("runs", "tail", run, "--after", "100000", url=product.url)
    assert (ended.code, ended.out) == (1, "")
    assert "100000" in ended.err


async def test_a_model_that_is_not_there_is_told(product: Product) -> None:
    ended = await headwater("chat", "Hello", "--model", "simulatde", url=product.url)
    assert ended.code == 1
    assert "simulatde" in ended.err
    assert "Traceback" not in ended.err


async def test_a_data_directory_has_one_server(product: Product) -> None:
    ended = await headwater("serve", "--port", "0", "--data", str(product.data))
    assert ended.code == 1
    assert str(product.data) in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "127.0.0.1"),
        (["--config", "there-is-no.toml"], "there-is-no.toml"),
    ],
)
async def test_what_can_not_be_served_is_a_sentence(arguments: list[str], said: str, data_dir: Path) -> None:
    ended = await headwater("serve", "--port", "0", "--data", str(data_dir), *arguments)
    assert (ended.code, ended.out) == (1, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "x"], ["--colour"]])
async def test_a_wrong_command_line_is_2(arguments: list[str]) -> None:
    assert (await headwater("serve", *arguments)).code == 2


async def test_it_ends_in_good_order_when_asked(product: Product) -> None:
    assert await product.terminate() == 0
