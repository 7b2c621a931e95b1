"""The model as a provider, with the real weights: it waits, streams, stops when it is left, and refuses."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio

from headwater.clock import SystemClock
from headwater.domain.event import Chunk
from headwater.domain.message import GenerationRequest, ImagePart, Message, Settings
from headwater.errors import ErrorCode, ProviderError, UnsupportedError
from headwater.local.process import LocalProcess, Plan
from headwater.local.provider import MAX_TOKENS_DEFAULT, MODEL, LocalModel, LocalProvider
from headwater.providers.contract import Finish, Item
from headwater.runs.supervisor import Tasks
from tests.kit.upstream import ScriptedUpstream, chat_stream

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

#: More than a test waits for, and never ended by the model itself.
ENDLESS = Settings(max_tokens=1_900, extra={"local": {"ignore_eos": True}})


SERVES_AT = """
import json, sys
sys.stdin.readline()
print(json.dumps({{"url": "http://127.0.0.1:{port}"}}), flush=True)
sys.stdin.read()
"""

# The first of these dies of the first call; the one that is started in its place is the scripted upstream.
DIES_ONCE = """
import json, pathlib, socket, sys
sys.stdin.readline()
mark = pathlib.Path({mark!r})
first = not mark.exists()
mark.touch()
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1] if first else {port}
print(json.dumps({{"url": f"http://127.0.0.1:{{port}}"}}), flush=True)
if first:
    listener.accept()
else:
    sys.stdin.read()
"""


def asked(settings: Settings) -> GenerationRequest:
    return GenerationRequest(MODEL, [Message("user", "Hello")], settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[LocalModel]:
    tasks = Tasks()
    model = LocalModel(spawn=tasks.spawn, clock=SystemClock())
    model.start()
    yield model
    await model.entry.provider.close()
    assert await tasks.close()


async def slots(model: LocalModel) -> list[dict[str, Any]]:
    """What llama.cpp itself says of its slots."""
    address = await model.process.address(None)
    headers = {"authorization": f"Bearer {address.key.reveal()}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(address.base_url.removesuffix("/v1") + "/slots") as answer:
            return list(json.loads(await answer.read()))


async def made_until_idle(model: LocalModel) -> int:
    """The most tokens that a slot was seen to have made, once all are idle."""
    most = 0
    async with asyncio.timeout(100):
        while busy := [slot for slot in await slots(model) if slot["is_processing"]]:
            most = max([most, *(token["n_decoded"] for slot in busy for token in slot["next_token"])])
            await asyncio.sleep(0.01)  # paces: asks again over a socket
    return most


async def test_the_first_call_waits_for_the_model(model: LocalModel) -> None:
    batches = [batch async for batch in model.entry.provider.stream(asked(Settings(max_tokens=3)), connect_s=None)]
    items: list[Item] = [item for batch in batches for item in batch]
    assert batches[0] == []
    assert isinstance(items[-1], Finish)
    assert items[-1].reason == "length"
    assert any(isinstance(item, Chunk) and item.content for item in items)


async def test_who_leaves_frees_the_slot(model: LocalModel) -> None:
    stream = model.entry.provider.stream(asked(ENDLESS), connect_s=None)
    async with aclosing(stream) as batches:  # type: ignore[type-var]  # it is a generator, which the contract leaves open
        async for batch in batches:
            if any(isinstance(item, Chunk) for item in batch):
                break
        assert any(slot["is_processing"] for slot in await slots(model))
    # Had it gone on, it would have been seen to make nearly all of the 1,900.
    assert await made_until_idle(model) < 1_000


async def test_an_answer_has_an_end_though_nobody_set_one() -> None:
    async with ScriptedUpstream(chat_stream("Hello"), chat_stream("Hello")) as upstream:
        tasks = Tasks()
        program = SERVES_AT.format(port=upstream.port)
        process = LocalProcess(
            Plan(Path(), MODEL), spawn=tasks.spawn, clock=SystemClock(), command=[sys.executable, "-c", program]
        )
        process.start()
        provider = LocalProvider(process)
        for settings in (Settings(), Settings(max_tokens=7)):
            async for _ in provider.stream(asked(settings), connect_s=30):
                pass
        assert [request.json["max_tokens"] for request in upstream.requests] == [MAX_TOKENS_DEFAULT, 7]
        await provider.close()
        assert await tasks.close()


async def test_more_calls_than_slots_are_all_answered(model: LocalModel) -> None:
    async def answer() -> Item:
        items: list[Item] = []
        async for batch in model.entry.provider.stream(asked(Settings(max_tokens=2)), connect_s=None):
            items += batch
        return items[-1]

    assert all(isinstance(end, Finish) for end in await asyncio.gather(*[answer() for _ in range(4)]))


async def test_a_prompt_that_is_too_long_is_told_as_such(model: LocalModel) -> None:
    request = GenerationRequest(MODEL, [Message("user", "word " * 3_000)])
    with pytest.raises(ProviderError) as caught:
        async for _ in model.entry.provider.stream(request, connect_s=None):
            pass
    assert caught.value.code is ErrorCode.CONTEXT_LENGTH
    assert caught.value.provider == "local"


async def test_an_image_is_refused_beforehand(model: LocalModel) -> None:
    image = ImagePart(data="iVBORw0KGgo=", media_type="image/png")
    with pytest.raises(UnsupportedError):
        model.entry.provider.check(GenerationRequest(MODEL, [Message("user", [image])]))


async def test_a_model_that_dies_in_mid_answer_is_no_end(model: LocalModel) -> None:
    heard = 0
    with pytest.raises(ProviderError) as caught:
        async for batch in model.entry.provider.stream(asked(ENDLESS), connect_s=None):
            heard += len(batch)
            if heard == len(batch) > 0:
                assert model.process.pid is not None
                psutil.Process(model.process.pid).kill()
    assert caught.value.retryable
    assert 0 < heard < 1_000
    # The next call waits for the one that is started in its place.
    again = [batch async for batch in model.entry.provider.stream(asked(Settings(max_tokens=2)), connect_s=None)]
    assert isinstance(again[-1][-1], Finish)


async def test_a_call_that_found_nobody_is_made_once_more(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_stream("Hello")) as upstream:
        tasks = Tasks()
        program = DIES_ONCE.format(mark=str(tmp_path / "mark"), port=upstream.port)
        plan = Plan(tmp_path, MODEL)
        process = LocalProcess(plan, spawn=tasks.spawn, clock=SystemClock(), command=[sys.executable, "-c", program])
        process.start()
        provider = LocalProvider(process)
        batches = [batch async for batch in provider.stream(asked(Settings()), connect_s=30)]
        assert isinstance(batches[-1][-1], Finish)
        assert len(upstream.requests) == 1
        await provider.close()
        assert await tasks.close()


async def test_a_caller_in_a_hurry_is_refused_honestly() -> None:
    # A model whose process has not been told to start: nothing else is known to take longer than any limit.
    waits = LocalModel(spawn=Tasks().spawn, clock=SystemClock())
    with pytest.raises(ProviderError) as caught:
        async for _ in waits.entry.provider.stream(asked(Settings()), connect_s=0.01):
            pass
    assert (caught.value.code, caught.value.provider) == (ErrorCode.OVERLOADED, "local")
