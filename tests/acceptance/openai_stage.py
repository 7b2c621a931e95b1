"""A product with a scripted model server behind it, to be called by OpenAI's own SDKs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai

from tests.acceptance.scene import CALLED_ONCE, SCRIPTED, Scene, by_prompt, prompt_of
from tests.kit.product import Product, compatible_model
from tests.kit.upstream import Received, Script, ScriptedUpstream

#: What an SDK must be given; there are no keys yet, and this one must be nowhere afterwards.
CALLER_KEY = "sk-caller-0123456789abcdef0123456789abcdef"


def user(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


class Stage:
    """`client` is the official SDK, which repeats nothing unless it is told to."""

    def __init__(self, product: Product, upstream: ScriptedUpstream, client: openai.AsyncOpenAI) -> None:
        self.product = product
        self.upstream = upstream
        self.client = client
        self.scene = Scene(product)

    async def stream(self, prompt: str, **asked: Any) -> openai.AsyncStream[Any]:
        """A streamed answer, its first bytes not read yet."""
        asked = {"model": SCRIPTED, "messages": user(prompt), **asked}
        return await self.client.chat.completions.create(stream=True, **asked)  # type: ignore[no-any-return]  # of `Any`

    async def chunks(self, prompt: str, **asked: Any) -> list[Any]:
        async with await self.stream(prompt, **asked) as stream:
            return [chunk async for chunk in stream]

    async def whole(self, prompt: str, **asked: Any) -> Any:
        return await self.client.chat.completions.create(**{"model": SCRIPTED, "messages": user(prompt), **asked})

    async def events(self, prompt: str, **asked: Any) -> list[Any]:
        """The events of a streamed response."""
        return [event async for event in await self.respond(prompt, stream=True, **asked)]

    async def respond(self, prompt: str, **asked: Any) -> Any:
        """A response, or with `stream` its events as they come."""
        return await self.client.responses.create(**{"model": SCRIPTED, "input": prompt, **asked})

    async def run_state(self, run: str) -> str:
        return str((await self.scene.show(run))["state"])


@asynccontextmanager
async def openai_stage(
    data: Path,
    scripts: Mapping[str, Script] | None = None,
    *,
    server: Mapping[str, Any] | None = None,
    provider: str = "openai_chat",
    prompt: Callable[[Received], str] = prompt_of,
) -> AsyncIterator[Stage]:
    """`scripts` are what the model says to each prompt; without any it greets. `server` are settings of the product.

    `provider` is whose API the model speaks, `prompt` finds in a request what was asked.
    """
    upstream = ScriptedUpstream(by_prompt(scripts, prompt)) if scripts is not None else ScriptedUpstream()
    async with upstream:
        models = [compatible_model(name, upstream.base_url, provider=provider) for name in (SCRIPTED, "house/large:7b")]
        config = {"resilience": CALLED_ONCE, "models": models, **({"server": server} if server else {})}
        async with Product(data, config=config) as product:
            client = openai.AsyncOpenAI(base_url=f"{product.url}/v1", api_key=CALLER_KEY, max_retries=0)
            async with asyncio.timeout(100), client:
                yield Stage(product, upstream, client)
            await product.terminate()
            assert not [path for path in _files(product) if CALLER_KEY.encode() in path.read_bytes()]


def _files(product: Product) -> list[Path]:
    return [product.log_path, *(path for path in product.data.rglob("*") if path.is_file())]
