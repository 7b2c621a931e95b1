"""One connection between a client and a server: a buffer that fills, a cut that one side learns of first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from headwater.delivery.connection import CONNECTION

HIGH_BYTES = 400
LOW_BYTES = 100


class Wire:
    """The server's side is ASGI with Headwater's `Connection`; the client's is `read`."""

    def __init__(self) -> None:
        self.status = 0
        self.scope: dict[str, Any] = {"type": "http", "extensions": {CONNECTION: self}}
        self.answering: asyncio.Task[None] | None = None
        self._buffer = bytearray()
        self._whole = False
        self._cut = False
        self._readable = asyncio.Event()
        self._gone = asyncio.Event()
        self._resume: Callable[[], None] | None = None
        self._was_paused = False

    # ── the server's side ───────────────────────────────────────────────────────────────────────

    @property
    def paused(self) -> bool:
        if len(self._buffer) > HIGH_BYTES:
            self._was_paused = True
        return self._was_paused

    def write(self, data: bytes) -> bool:
        if not self._cut:
            assert self.status, "written before the answer's head"
            assert not self._whole, "written after the answer's end"
            self._buffer += data
            self._readable.set()
        return not self.paused

    def on_resume(self, callback: Callable[[], None] | None) -> None:
        self._resume = callback

    def abort(self) -> None:
        self.cut()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._cut:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            assert not self._whole, "written after the answer's end"
            self._buffer += message["body"]
            self._whole = not message.get("more_body", False)
            if self._whole:
                self._gone.set()
        self._readable.set()

    async def receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    def answered(self) -> None:
        """The request's task is over; an answer that it did not end was refused or cut."""
        if not self._whole:
            self._cut = True
        self._readable.set()

    # ── between them ────────────────────────────────────────────────────────────────────────────

    def cut(self) -> None:
        """Both sides learn of it, and what was on its way is lost."""
        if not self._whole:
            self._buffer.clear()
            self._cut = True
        self._readable.set()
        self._gone.set()

    # ── the client's side ───────────────────────────────────────────────────────────────────────

    @property
    def whole(self) -> bool:
        """Whether the answer's end was said and everything before it read."""
        return self._whole and not self._buffer

    async def read(self, most: int) -> bytes:
        """The next bytes; empty at the end of the answer or of the connection."""
        while not self._buffer and not self._whole and not self._cut:
            self._readable.clear()
            await self._readable.wait()
        data = bytes(self._buffer[:most])
        del self._buffer[:most]
        if self._was_paused and len(self._buffer) < LOW_BYTES:
            self._was_paused = False
            asyncio.get_running_loop().call_soon(self._drained)
        return data

    def leave(self, noticed_after_s: float) -> None:
        """The client goes; the server learns of it later."""
        asyncio.get_running_loop().call_later(noticed_after_s, self.cut)

    def _drained(self) -> None:
        if self._resume is not None and not self._cut:
            self._resume()
