"""What the decoders of JSON framings share: a body in pieces of any size, to frames, without I/O and bounded.

`wire/sse.py` keeps the same promises by itself, for it is on the way of nearly every token.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from headwater.errors import EventTooLarge, WireError
from headwater.wire.sse import EVENT_BYTES_MAX, Frame

_BOM: Final = b"\xef\xbb\xbf"


class ValueDecoder(ABC):
    """The bytes of one body, in pieces of any size, to frames. One decoder reads one body.

    `value_bytes_max` bounds one value, in bytes as received; no more than that is kept beside the piece at hand.
    Frames that were complete before a fault are delivered first: `feed` then returns them, `fault` holds the error at
    once, and the next `feed` or `end` raises it.
    """

    def __init__(self, *, value_bytes_max: int = EVENT_BYTES_MAX) -> None:
        if value_bytes_max < 1:
            raise ValueError("the limit must be positive")
        self._value_bytes_max = value_bytes_max
        self._head: bytes | None = b""  # the first bytes, while they may still be a BOM; None afterwards
        self._held = bytearray()
        self._fault: WireError | None = None
        self._ended = False

    @property
    def fault(self) -> WireError | None:
        """What is wrong with the body, known as soon as `feed` has returned the frames before it."""
        return self._fault

    @property
    def closed(self) -> bool:
        """Whether the body has all that its format asks for; True where the format has no end of its own."""
        return True

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that `chunk` completed, in order. Raises `WireError`, `RuntimeError` after `end`."""
        if self._fault is not None:
            raise self._fault
        if self._ended:
            raise RuntimeError("this body has ended; a new one needs a new decoder")
        if self._head is not None:
            chunk = self._begin(self._head + chunk)
        frames: list[Frame] = []
        fault: WireError | None = None
        try:
            self._take(chunk, frames)
        except WireError as error:
            fault = error
        if fault is not None:
            # Its traceback would keep what was buffered alive for as long as the fault is.
            self._fault = fault.with_traceback(None)
            self._held = bytearray()
            if not frames:
                raise fault
        return frames

    def end(self, *, flush: bool = False) -> list[Frame]:
        """The body has ended. What is unfinished is discarded; with `flush` it is given out where it may be whole.

        Raises the fault that a `feed` held back. Further calls return nothing.
        """
        if self._fault is not None:
            raise self._fault
        frames: list[Frame] = []
        if flush and not self._ended:
            self._flush(frames)
        self._ended = True
        self._head = None
        self._held = bytearray()
        return frames

    @abstractmethod
    def _take(self, chunk: bytes, frames: list[Frame]) -> None:
        """Reads bytes that follow the BOM, if there was one. Raises `WireError`."""

    @abstractmethod
    def _flush(self, frames: list[Frame]) -> None:
        """Gives out what lacks nothing but its delimiter."""

    def _begin(self, head: bytes) -> bytes:
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _hold(self, piece: bytes) -> None:
        # Measured before it is copied.
        if len(self._held) + len(piece) > self._value_bytes_max:
            raise EventTooLarge(f"a JSON value is larger than {self._value_bytes_max} bytes")
        self._held += piece

    def _release(self, piece: bytes, frames: list[Frame]) -> None:
        """The value that is held and ends with this piece, white space behind it dropped."""
        if self._held:
            self._hold(piece)
            piece = bytes(self._held)
            self._held.clear()
        elif len(piece) > self._value_bytes_max:
            raise EventTooLarge(f"a JSON value is larger than {self._value_bytes_max} bytes")
        frames.append(Frame(_as_utf8(piece.rstrip())))


def _as_utf8(data: bytes) -> bytes:
    """`data` with every invalid sequence replaced by U+FFFD, which never takes an ASCII byte with it."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="replace").encode()
    return data
