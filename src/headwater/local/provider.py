"""The model as a provider: a call waits until the child is ready, then is a call like any other over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, cast

import msgspec

from headwater.clock import Clock
from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.local.packages import weights
from headwater.local.process import Address, LocalProcess, Plan
from headwater.providers.catalog import Entry
from headwater.providers.contract import Item, ModelInfo
from headwater.providers.cost import FREE
from headwater.providers.egress import Egress
from headwater.providers.http import Auth, HttpProvider
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.servers import chat_quirks_here
from headwater.tasks import Spawn

MODEL: Final = "smollm2"
NAME: Final = "local"
#: How long an answer may become where the request does not say.
MAX_TOKENS_DEFAULT: Final = 512

#: How long after a call found nobody the child's death may take to be known.
_NOTICE_S: Final = 1.0
#: llama.cpp's own ways; this model sees no images.
_QUIRKS: Final = msgspec.structs.replace(chat_quirks_here(NAME, "plain"), content_parts=False)


class LocalProvider:
    """As `CheckedProvider`. Each start of the child has a port and a key of its own, and so connections of its own."""

    name = NAME

    def __init__(self, process: LocalProcess) -> None:
        self._process = process
        self._dialect = OpenAIChat(_QUIRKS)
        self._address: Address | None = None
        self._http: HttpProvider | None = None

    def check(self, request: GenerationRequest) -> None:
        """Refuses what the model can not do. Raises `RefusedError`."""
        self._dialect.request(request)

    async def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        """As `Provider.stream`; `connect_s` limits the wait for the model too.

        A call that finds nobody is made once more: the child has just died, and the next one is on its way.
        """
        request = _bounded(request)
        address, answered = await self._address_within(connect_s), False
        try:
            async with aclosing(await self._call(address, request, connect_s)) as batches:
                async for batch in batches:
                    answered = True
                    yield batch
            return
        except ProviderError as error:
            if answered or error.code is not ErrorCode.NETWORK:
                raise
        await self._process.withdrawn(address, _NOTICE_S)
        address = await self._address_within(connect_s)
        async with aclosing(await self._call(address, request, connect_s)) as batches:
            async for batch in batches:
                yield batch

    async def close(self) -> None:
        """Closes its connections. The child ends with the tasks of the server."""
        if self._http is not None:
            await self._http.close()

    async def _address_within(self, limit_s: float | None) -> Address:
        try:
            return await self._process.address(limit_s)
        except ProviderError as error:
            error.provider = NAME
            raise

    async def _call(
        self, address: Address, request: GenerationRequest, connect_s: float | None
    ) -> AsyncGenerator[list[Item]]:
        # The contract promises less than what it is: a generator, which is closed as soon as nobody asks on.
        http = await self._at(address)
        return cast(AsyncGenerator[list[Item]], http.stream(request, connect_s=connect_s))

    async def _at(self, address: Address) -> HttpProvider:
        if self._http is None or address != self._address:
            former, self._address = self._http, address
            self._http = HttpProvider(
                NAME,
                self._dialect,
                base_url=address.base_url,
                auth=Auth(address.key),
                egress=Egress(allow_private=True),
            )
            if former is not None:
                await former.close()
        return self._http


def _bounded(request: GenerationRequest) -> GenerationRequest:
    """The request with an end: so small a model often finds none itself, and goes on until its context is full."""
    if request.settings.max_tokens is not None:
        return request
    return msgspec.structs.replace(
        request, settings=msgspec.structs.replace(request.settings, max_tokens=MAX_TOKENS_DEFAULT)
    )


class LocalModel:
    """A small real model on this machine: its process, and its row in the catalog."""

    def __init__(self, *, spawn: Spawn, clock: Clock) -> None:
        """Raises `ConfigError` where it is not installed."""
        # One core is left to the server and its readers where there are few.
        threads = 2 if (os.cpu_count() or 1) >= 4 else 1
        self.process = LocalProcess(Plan(weights(), MODEL, threads=threads), spawn=spawn, clock=clock)
        info = ModelInfo(MODEL, NAME, MODEL, ("text", "json_schema", "prefill"))
        self.entry = Entry(info, LocalProvider(self.process), pricing=FREE)

    def start(self) -> None:
        """Begins to load the model; calls wait for it. Returns at once."""
        self.process.start()
