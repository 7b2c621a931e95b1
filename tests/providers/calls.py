"""What the tests of provider I/O share: a provider that calls a scripted upstream, and what it gave."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headwater.domain.event import Chunk
from headwater.domain.message import GenerationRequest, Message
from headwater.errors import ProviderError
from headwater.providers.answer import Answer
from headwater.providers.contract import Dialect, Item
from headwater.providers.egress import Egress
from headwater.providers.http import Auth, HttpProvider
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.redact import Secret
from tests.kit.upstream import (
    Script,
    ScriptedUpstream,
    chat_chunk,
)

CANARY = "Canary-7F3a/b1E2+c3D4"
ASKED = GenerationRequest("m", [Message("user", "Hello")])
HELLO = chat_chunk("Hello")
STOP = chat_chunk(finish="stop")


def provider_of(base_url: str, *, key: bool = False, dialect: Dialect | None = None, **options: Any) -> HttpProvider:
    auth = Auth(Secret(CANARY)) if key else None
    return HttpProvider(
        "scripted", dialect or OpenAIChat(), base_url=base_url, auth=auth, egress=Egress(True), **options
    )


@asynccontextmanager
async def calling(
    *scripts: Script, key: bool = False, **options: Any
) -> AsyncIterator[tuple[ScriptedUpstream, HttpProvider]]:
    """A scripted upstream and a provider that calls it; both gone at the end."""
    async with ScriptedUpstream(*scripts) as upstream:
        provider = provider_of(upstream.base_url, key=key, **options)
        try:
            yield upstream, provider
        finally:
            await provider.close()


async def batches(provider: HttpProvider, request: GenerationRequest = ASKED) -> list[list[Item]]:
    return [batch async for batch in provider.stream(request, connect_s=10)]


async def failing(provider: HttpProvider) -> tuple[list[Item], ProviderError]:
    """The items until the call failed, and how it failed."""
    got: list[Item] = []
    with pytest.raises(ProviderError) as caught:
        async for batch in provider.stream(ASKED, connect_s=10):
            got += batch
    return got, caught.value


def open_stream(provider: HttpProvider) -> Answer:
    stream = provider.stream(ASKED, connect_s=10)
    assert isinstance(stream, Answer)
    return stream


def flat(lists: list[list[Item]]) -> list[Item]:
    return [item for each in lists for item in each]


def text_of(items: list[Item]) -> str:
    return "".join(item.content for item in items if isinstance(item, Chunk))


async def read_all(stream: AsyncIterator[list[Item]]) -> list[Item]:
    return [item async for batch in stream for item in batch]


async def open_pool(provider: HttpProvider) -> None:
    """Opens the pool, so that what is made once is not counted."""
    with pytest.raises(ProviderError):
        await batches(provider)


async def let_things_happen() -> None:
    """Lets the loop run until whatever could happen without the other side has happened."""
    for _ in range(50):
        await asyncio.sleep(0)  # paces: turns of the loop
    await asyncio.sleep(0.01)  # paces: the other side is in this process and has its turns too


def open_sockets() -> int:
    """File descriptors of this process that are sockets."""
    count = 0
    for name in os.listdir("/dev/fd"):
        try:
            count += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
        except OSError:
            # The directory's own descriptor is gone again.
            pass
    return count
