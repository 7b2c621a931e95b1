"""The AI SDK's own client in a Node process, to call a product with."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from headwater.api.ai_sdk import PATH
from tests.acceptance.scene import SCRIPTED
from tests.kit.product import Product
from tests.wire.oracles import NODE, ORACLES, installed_packages


def user(text: str) -> dict[str, Any]:
    return {"id": f"user-{text}", "role": "user", "parts": [{"type": "text", "text": text}]}


def send(id: str, *messages: dict[str, Any], model: str = SCRIPTED, **body: Any) -> dict[str, Any]:
    return {"kind": "send", "id": id, "messages": list(messages), "body": {"model": model, **body}}


async def ai_sdk(product: Product, *tasks: dict[str, Any]) -> list[Any]:
    """The outcome of each task, in order: see `tests/oracles/ai_sdk.mjs`."""
    packages = await asyncio.to_thread(installed_packages)
    process = await asyncio.create_subprocess_exec(
        NODE,
        ORACLES / "ai_sdk.mjs",
        packages,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", "")},
    )
    asked = json.dumps({"api": product.url + PATH, "tasks": tasks}).encode()
    try:
        out, errors = await process.communicate(asked)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    outcomes: list[Any] = json.loads(out)
    return outcomes


def text_of(message: Any) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")
