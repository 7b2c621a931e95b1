"""The programs of docs/howto/python-client.md, as they stand, against the product."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.docs.test_readme import URL, blocks
from tests.kit.product import Product

pytestmark = pytest.mark.slow

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "howto" / "python-client.md"
PROGRAMS: Final = [text for language, text in blocks(PAGE.read_text(encoding="utf-8")) if language == "python"]
#: What each of them prints, somewhere.
PRINTED: Final = [
    r"^\d+ complete$",
    r"(?s)^\[connecting via sse, cursor 0\]$.*^\[streaming.*\[ended via sse, cursor \d+\]$",
    r"^the first process got 1 and 2\nthe second goes on with 2$",
    r"^openai chunks \d+ \d+ stop$",
]


def python_path() -> str:
    """This process's, from wherever it is read."""
    return os.pathsep.join(
        str(Path(each).resolve()) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each
    )


@pytest.mark.parametrize(("program", "printed"), list(zip(PROGRAMS, PRINTED, strict=True)))
async def test_a_program_does_what_the_page_says(program: str, printed: str, data_dir: Path, tmp_path: Path) -> None:
    async with Product(data_dir) as product:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program.replace(URL, product.url)),
            # The program has a directory of its own, from which a path that is relative leads elsewhere.
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": python_path()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complaints = await process.communicate()
    assert (process.returncode, complaints.decode()) == (0, "")
    assert re.search(printed, out.decode(), re.MULTILINE), out.decode()
