"""The commands of docs/howto/analyze-puzzles.md, as they stand, on the product."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.docs.test_readme import URL, blocks
from tests.kit.product import Product

pytestmark = pytest.mark.slow

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "howto" / "analyze-puzzles.md"
STREAM, WHOLE, RUN, LIST = [text for language, text in blocks(PAGE.read_text(encoding="utf-8")) if language == "sh"]


@pytest_asyncio.fixture
async def product(data_dir: Path) -> AsyncIterator[Product]:
    async with Product(data_dir) as product:
        yield product


async def said(product: Product, command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-ec", command.replace(URL, product.url)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    return out.decode()


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


async def test_the_page_says_what_happens(product: Product) -> None:
    streamed = records(await said(product, STREAM))
    assert streamed[-1]["data"]["result"]["correct"] is False
    answers = json.JSONDecoder()
    both = await said(product, WHOLE)
    first, end = answers.raw_decode(both)
    second, _ = answers.raw_decode(both[end:].lstrip())
    assert "Look at the corners first." not in first["prompt"]["system"]
    assert second["prompt"]["system"].startswith("Look at the corners first.")
    assert records(await said(product, RUN))[-1]["type"] == "complete"
    listed = json.loads(await said(product, LIST))["analyses"]
    assert all(each["result"]["correct"] for each in listed)
    everything = json.loads(await said(product, LIST.replace("&correct=true", "")))["analyses"]
    assert len(everything) == 4
