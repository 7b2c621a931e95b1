"""The stage of OpenAI's SDKs, called by Anthropic's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from tests.acceptance.openai_stage import CALLER_KEY, Stage, openai_stage, user
from tests.acceptance.scene import SCRIPTED, prompt_of
from tests.kit.upstream import Received, Script

_EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


class AnthropicStage:
    """`client` is the official SDK, which repeats nothing unless it is told to; `stage` is all that is behind it."""

    def __init__(self, stage: Stage, client: anthropic.AsyncAnthropic) -> None:
        self.stage = stage
        self.client = client

    async def stream(self, prompt: str, **asked: Any) -> Any:
        """A streamed answer, its first bytes not read yet."""
        return await self.client.messages.create(**asking(prompt, **asked), stream=True)

    async def events(self, prompt: str, **asked: Any) -> list[Any]:
        """The events of an answer, each held to the SDK's own model, which it does not do itself."""
        async with await self.stream(prompt, **asked) as stream:
            return [_EVENT.validate_python(event.model_dump(exclude_unset=True)) async for event in stream]

    async def whole(self, prompt: str, **asked: Any) -> Any:
        message = await self.client.messages.create(**asking(prompt, **asked))
        return Message.model_validate(message.model_dump(exclude_unset=True))

    async def accumulated(self, prompt: str, **asked: Any) -> Any:
        """What the SDK's own accumulator makes of a streamed answer."""
        async with self.client.messages.stream(**asking(prompt, **asked)) as stream:
            return await stream.get_final_message()


def asking(prompt: str, **asked: Any) -> dict[str, Any]:
    """The least that a request has, and what a test asks beside it."""
    return {"model": SCRIPTED, "max_tokens": 4096, "messages": user(prompt), **asked}


@asynccontextmanager
async def anthropic_stage(
    data: Path,
    scripts: Mapping[str, Script] | None = None,
    *,
    server: Mapping[str, Any] | None = None,
    provider: str = "openai_chat",
    prompt: Callable[[Received], str] = prompt_of,
) -> AsyncIterator[AnthropicStage]:
    """As `openai_stage`."""
    async with openai_stage(data, scripts, server=server, provider=provider, prompt=prompt) as stage:
        async with anthropic.AsyncAnthropic(base_url=stage.product.url, api_key=CALLER_KEY, max_retries=0) as client:
            yield AnthropicStage(stage, client)
