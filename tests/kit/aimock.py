"""aimock, a mock of many providers' APIs that other people wrote, in a Node process of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from tests.wire.oracles import NODE, ORACLES, installed_packages


class Aimock:
    """Listens on loopback while entered, and takes this key only. What a fixture can be is in aimock's own documents.

    It ends with the test that started it, by whatever that ends: its standard input is ours.
    """

    def __init__(self, fixtures: Sequence[dict[str, Any]], key: str) -> None:
        self.url = ""
        self._orders = {"options": {"auth": {"apiKeys": [key]}}, "fixtures": fixtures}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Aimock:
        packages = await asyncio.to_thread(installed_packages)
        self._process = process = await asyncio.create_subprocess_exec(
            NODE,
            ORACLES / "aimock.mjs",
            packages,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"NO_COLOR": "1"},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(self._orders).encode() + b"\n")
        async with asyncio.timeout(60):
            self.url = (await process.stdout.readline()).decode().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.url
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
