"""The AI SDK's own client, to call a product with."""

from __future__ import annotations

from typing import Any

from headwater.api.ai_sdk import PATH
from tests.acceptance.node_client import ask_node
from tests.acceptance.scene import SCRIPTED
from tests.kit.product import Product


def user(text: str) -> dict[str, Any]:
    return {"id": f"user-{text}", "role": "user", "parts": [{"type": "text", "text": text}]}


def send(id: str, *messages: dict[str, Any], model: str = SCRIPTED, **body: Any) -> dict[str, Any]:
    return {"kind": "send", "id": id, "messages": list(messages), "body": {"model": model, **body}}


async def ai_sdk(product: Product, *tasks: dict[str, Any]) -> list[Any]:
    """The outcome of each task, in order: see `tests/oracles/ai_sdk.mjs`."""
    outcomes: list[Any] = await ask_node("ai_sdk.mjs", {"api": product.url + PATH, "tasks": tasks})
    return outcomes


def text_of(message: Any) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")
