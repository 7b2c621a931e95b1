"""The README's commands and programs do what it says they do, on the product."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.kit.product import Product

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).resolve().parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
#: Each is about the SDK of another API, and its programs are tried too.
SDK_PAGES: Final = ("openai-sdk", "anthropic-sdk")
URL: Final = "http://127.0.0.1:8000"
_BLOCK: Final = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
#: What differs from one run to the next: an id, a time, when to come back.
_VARIES: Final = (
    (re.compile(r"run_[0-9a-f]{32}"), "run_ID"),
    (re.compile(r'"t":\d+'), '"t":T'),
    (re.compile(r"^retry: \d+$", re.MULTILINE), "retry: MS"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "WHEN"),
)


class Example(NamedTuple):
    """A program of the README with the output that is printed below it."""

    language: str
    program: str
    output: str


def blocks(page: str = README) -> list[tuple[str, str]]:
    return [(found["language"], found["text"]) for found in _BLOCK.finditer(page)]


def examples() -> list[Example]:
    shown = blocks()
    return [
        Example(language, text, output)
        for (language, text), (below, output) in pairwise(shown)
        if language in ("sh", "python") and below == "text"
    ]


def same_every_time(text: str) -> str:
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return text.strip()


def is_shown(said: str, shown: str) -> bool:
    """Whether a program said what is shown, in which `…` stands for anything."""
    parts = [re.escape(part) for part in same_every_time(shown).split("…")]
    return re.fullmatch(".*?".join(parts), same_every_time(said), re.DOTALL) is not None


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Product]:
    async with Product(tmp_path / "data") as product:
        yield product


async def say(product: Product, example: Example, directory: Path) -> str:
    program = example.program.replace(URL, product.url)
    if example.language == "sh":
        # The script that an installation puts on PATH may be another checkout's.
        headwater = 'headwater() { "$PYTHON" -m headwater "$@"; }\n'
        command = ["bash", "-euo", "pipefail", "-c", headwater + program]
    else:
        path = directory / "example.py"
        path.write_text(program, encoding="utf-8")
        command = [sys.executable, str(path)]
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "PYTHON": sys.executable, "HEADWATER_URL": product.url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return said.decode()


@pytest.mark.parametrize("number", range(len(examples())))
async def test_an_example_says_what_is_shown(number: int, product: Product, tmp_path: Path) -> None:
    example = examples()[number]
    if "curl" in example.program and shutil.which("curl") is None:
        pytest.skip("this example is a command for curl, which is not here")
    said = await say(product, example, tmp_path)
    assert is_shown(said, example.output), f"{example.program}\nsaid\n{said}\nand not\n{example.output}"


def test_every_program_is_tried() -> None:
    """A program without its output below it would be tried by nobody; make's targets are looked up elsewhere."""
    programs = [text for language, text in blocks() if language in ("sh", "python")]
    tried = [example.program for example in examples()]
    assert [text for text in programs if text not in tried] == ["make serve\nmake test\n"]
    assert {example.language for example in examples()} == {"sh", "python"}


def test_what_is_shown_in_typescript_is_what_the_client_shows() -> None:
    """Its own README is type-checked, and what it can do is tried on the real server (`tests/web`)."""
    checked = (ROOT / "web" / "client" / "README.md").read_text(encoding="utf-8")
    shown = [text for language, text in blocks() if language == "ts"]
    assert shown
    assert all(f"```ts\n{text}```" in checked for text in shown)


def programs_of(page: str) -> list[str]:
    shown = (ROOT / "docs" / "howto" / f"{page}.md").read_text(encoding="utf-8")
    return [text for language, text in blocks(shown) if language == "python"]


@pytest.mark.parametrize(
    "program",
    [pytest.param(each, id=f"{page}-{at}") for page in SDK_PAGES for at, each in enumerate(programs_of(page))],
)
async def test_what_is_shown_of_another_api_s_sdk_works(program: str, product: Product, tmp_path: Path) -> None:
    said = await say(product, Example("python", program, ""), tmp_path)
    assert re.search(r"You wrote: “Hello”|^run_[0-9a-f]{32}$|^\['simulated'\]$", said, re.MULTILINE), said


def test_what_is_shown_is_compared() -> None:
    shown = 'retry: 7\nid: 1\ndata: {"t":5,"a":1}\n…\nrun_' + "0" * 32 + " ended\n"
    said = 'retry: 8\nid: 1\ndata: {"t":9,"a":1}\nid: 2\nrun_' + "1" * 32 + " ended\n"
    assert is_shown(said, shown)
    assert not is_shown(said.replace('"a":1', '"a":2'), shown)
    assert not is_shown(said.replace("id: 1", "id: 2"), shown)
    assert not is_shown(said + "more", shown)


async def test_the_row_of_a_model_can_be_used(tmp_path: Path) -> None:
    (row,) = [text for language, text in blocks() if language == "toml"]
    config = tmp_path / "more.toml"
    config.write_text(row, encoding="utf-8")
    async with Product(
        tmp_path / "data", environ={"OPENAI_API_KEY": "sk-of-nobody"}, arguments=["--config", str(config)]
    ) as product:
        program = f"from headwater.client import BlockingClient as C; print(C('{URL}').models())"
        listed = await say(product, Example("python", program, ""), tmp_path)
    assert "name='gpt-mini', provider='openai', model='gpt-5-mini'" in listed
