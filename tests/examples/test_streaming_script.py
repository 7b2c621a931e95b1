"""The shell script that asks the chat, run against the product."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Final

import pytest

from tests.kit.client import call
from tests.kit.product import Product, free_port

SCRIPT: Final = Path(__file__).resolve().parents[2] / "examples" / "test-streaming.sh"

pytestmark = pytest.mark.slow


async def run(url: str, *arguments: str) -> tuple[int, str, str]:
    """The script's exit code, and what it wrote to both of its outputs."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        str(SCRIPT),
        *arguments,
        env={**os.environ, "HEADWATER_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_all_three_ways_are_one_chat_of_the_user(tmp_path: Path) -> None:
    async with Product(tmp_path / "data") as product:
        code, out, err = await run(product.url, "acme", "ann", 'Say "hi"\nand \\ more')
        assert code == 0, err
        assert err.count('"done":true,"fullText"') == 2
        chat = out.strip().removeprefix("ok: ")
        owner = {"x-org-id": "acme", "x-user-id": "ann"}
        shown = await call(product.port, "GET", f"/chat/chats/{chat}", headers=owner)
        messages = json.loads(shown.body)["messages"]
        assert [message["state"] for message in messages] == ["complete"] * 6
        assert [message["content"] for message in messages[::2]] == ['Say "hi"\nand \\ more'] * 3
        assert (await run(product.url, "acme", "ann b"))[0] != 0


async def test_without_a_server_it_fails() -> None:
    code, out, _ = await run(f"http://127.0.0.1:{free_port()}", "acme", "ann")
    assert (code != 0, out) == (True, "")


async def test_without_its_arguments_it_says_what_it_takes() -> None:
    code, _, err = await run("http://127.0.0.1:1")
    assert (code, "ORG USER" in err) == (64, True)
