"""Closing what is not read any further."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import structlog

from headwater.runs.closing import CLOSE_S, close_stream
from tests.runs.scene import virtual


@virtual
async def test_closing_a_stream_neither_fails_nor_waits_for_ever() -> None:
    async def hangs() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await asyncio.Event().wait()

    async def fails() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            raise LookupError("canary-7c2f")

    class Plain:
        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

    loop = asyncio.get_running_loop()
    with structlog.testing.capture_logs() as lines:
        streams: list[tuple[AsyncIterator[int], float]] = [(hangs(), CLOSE_S), (fails(), 0.0), (Plain(), 0.0)]
        for stream, takes_s in streams:
            await anext(stream, None)
            began = loop.time()
            await close_stream(stream)
            assert loop.time() - began == takes_s
    assert [line["error"] for line in lines] == ["TimeoutError", "LookupError"]
    assert "canary" not in str(lines)
