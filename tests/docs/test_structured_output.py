"""The programs of docs/howto/structured-output.md, as they stand, against the product."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Final, get_args

import pytest

from headwater.wire.answer_json import AnswerRepair
from headwater.wire.partial_json import Note
from headwater.wire.thinking_marks import THINKING_MARKS
from tests.docs.test_python_client import python_path
from tests.docs.test_readme import URL, blocks
from tests.kit.product import Product
from tests.web.node import CLIENT, run_node
from tests.workflows.test_structured import Context, chunks

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "howto" / "structured-output.md"
TEXT: Final = PAGE.read_text(encoding="utf-8")
READER, WORKFLOW = [text for language, text in blocks(TEXT) if language == "python"]
(SCRIPT,) = [text for language, text in blocks(TEXT) if language == "js"]


@pytest.mark.slow
async def test_the_programs_do_what_the_page_says(data_dir: Path, tmp_path: Path) -> None:
    async with Product(data_dir) as product:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", READER.replace(URL, product.url)),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": python_path()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complaints = await process.communicate()
        assert (process.returncode, complaints.decode()) == (0, "")
        assert re.search(r"^/hints/\d .*^valid: True\n\['hints', 'summary'\]$", out.decode(), re.MULTILINE | re.DOTALL)
        page = re.sub(r'"@headwater/client(/\w+)?"', _entry, SCRIPT).replace(URL, product.url)
        done = await asyncio.to_thread(run_node, "--input-type=module", "-e", page)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.match(r"\{\}\n\{ summary: '.", done.stdout)


def _entry(found: re.Match[str]) -> str:
    return f'"{(CLIENT / "src" / ((found[1] or "/index")[1:] + ".ts")).as_uri()}"'


async def test_the_workflow_does_what_the_page_says() -> None:
    names: dict[str, object] = {}
    exec(compile(WORKFLOW, str(PAGE), "exec"), names)
    mood = names["Mood"]
    assert isinstance(mood, type)
    results: list[object] = []
    context = Context([chunks('{"mood": "go'), chunks('od"}')])
    context.set_result = results.append  # type: ignore[method-assign, assignment]
    lists = [events async for events in mood().run(context)]
    assert [event.type for events in lists for event in events] == ["chunk", "field", "chunk", "field", "field"]
    assert results == [{"mood": "good"}]


def test_every_code_and_repair_is_told_of() -> None:
    told = set(re.findall(r"`(\w+)`", "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))))
    repairs = {name for part in get_args(AnswerRepair) for name in (get_args(part) or (part,))}
    assert {*get_args(Note), "schema", "unchecked"} | repairs <= told


def test_every_mark_of_thinking_is_told_of() -> None:
    assert [mark for mark in THINKING_MARKS if f"`{mark.strip()}`" not in TEXT] == []
