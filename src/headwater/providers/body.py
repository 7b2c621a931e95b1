"""The body of an answer, from aiohttp's parser to whoever reads it, by the shortest way."""

from __future__ import annotations

import aiohttp


class Body(aiohttp.StreamReader):
    """A body that is read as it arrives and in no other way: what each piece costs is what each token costs.

    aiohttp's own (3.14) notes where every chunk of HTTP ends and asks the connection to go on after every read;
    that is a tenth of what a token costs on its way through the server.
    """

    __slots__ = ()

    def begin_http_chunk_receiving(self) -> None: ...

    def end_http_chunk_receiving(self) -> None: ...

    def feed_data(self, data: bytes, size: int = 0) -> bool:
        if not data:
            return False
        self._size += len(data)
        self._buffer.append(data)
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        if self._size > self._high_water:
            self._protocol.pause_reading()
        return False

    async def readany(self) -> bytes:
        """What has arrived, b"" at the end. Raises how the connection was lost."""
        buffer = self._buffer
        while not buffer:
            if self._exception is not None:
                raise self._exception
            if self._eof:
                return b""
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            finally:
                self._waiter = None
        if len(buffer) == 1 and not self._protocol._reading_paused:
            self._size = 0
            return buffer.popleft()
        return self._read_nowait(-1)

    def _read_nowait(self, n: int) -> bytes:
        buffer = self._buffer
        data = buffer.popleft() if len(buffer) == 1 else b"".join(buffer)
        buffer.clear()
        self._size = 0
        if self._protocol._reading_paused:
            # last, for what waits in the parser is fed before this returns
            self._protocol.resume_reading()
        return data


def thin(content: aiohttp.StreamReader) -> None:
    """Makes this body, which aiohttp's parser feeds already, a `Body`; one that is known to be empty stays as it is."""
    if type(content) is aiohttp.StreamReader:
        content.__class__ = Body
