"""The server that is measured: its account of itself, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from headwater.cli.measuring.server import BenchError, own_server
from headwater.client import HeadwaterClient, Message, RunRequest

HELLO = RunRequest("simulated", messages=[Message("user", "Hello")])


def files(directory: Path, pattern: str = "*") -> int:
    return len(list(directory.glob(pattern)))


@pytest.mark.slow
async def test_it_tells_what_it_uses_and_takes_its_directory_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever the operator has set for another server is not for this one.
    monkeypatch.setenv("HEADWATER_SERVER__PORT", "none")
    async with own_server(tmp_path) as server, HeadwaterClient(server.url) as client:
        before = await server.usage()
        await asyncio.gather(*(client.start(HELLO) for _ in range(20)))
        after = await server.usage()
        assert files(tmp_path, "headwater-bench-*/data/headwater.db") == 1
    assert after.cpu_s > before.cpu_s > 0
    assert before.memory_bytes > 10e6
    assert files(tmp_path) == 0


@pytest.mark.slow
async def test_why_it_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_SSE_STREAMING", "maybe")
    with pytest.raises(BenchError, match=r"did not start: .*sse_streaming"):
        async with own_server(tmp_path):
            pass
    assert files(tmp_path) == 0


@pytest.mark.slow
async def test_one_that_has_died_has_no_figures(tmp_path: Path) -> None:
    async with own_server(tmp_path) as server:
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(BenchError, match="has ended"):
            await server.usage()
    assert files(tmp_path) == 0
