"""A JSON array that grows: each of its values is a frame as soon as it is whole (RFC 8259, sections 2 to 7).

Google's APIs stream so where they are not asked for events. Only the array's own punctuation is understood here: what
a value holds is for whoever decodes it. A body that is one object and no array is one value, which is how a server
answers that does not stream, or that failed.

A value that is whole in the piece at hand is taken in one step, and so is a string. The work is linear in the bytes
however they are cut: no byte is looked at more than three times.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from headwater.errors import MalformedBody
from headwater.wire.frames import ValueDecoder
from headwater.wire.sse import EVENT_BYTES_MAX, Frame


class _State(Enum):
    BEGIN = auto()  # the array's [, or a single object
    FIRST = auto()  # a value or ]
    NEXT = auto()  # a value
    NESTED = auto()  # in an object or an array, outside of strings
    STRING = auto()  # in a string
    ESCAPE = auto()  # in a string, after a backslash
    SCALAR = auto()  # in a number or a word
    AFTER = auto()  # , or ]
    CLOSED = auto()  # nothing but white space


#: Deeper than that no decoder follows, and every bracket would cost a step.
DEPTH_MAX: Final = 512
#: Values nested deeper than that are read step by step.
_WHOLE_DEPTH: Final = 8
_FLAT: Final = rb'[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+"'


def _whole_value(depth: int) -> bytes:
    """An object or an array, with others in it to this depth. Which bracket closes which is not looked at."""
    inner = _FLAT + (b"|" + _whole_value(depth - 1) if depth else b"")
    return rb"[{\[](?:" + inner + rb")*+[}\]]"


#: What is passed over in one step; possessive, for nothing in them is ever to be read in another way.
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_WHOLE: Final = re.compile(_whole_value(_WHOLE_DEPTH), re.DOTALL)
_NESTED: Final = re.compile(rb"(?:" + _FLAT + rb")*+", re.DOTALL)
_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_SCALAR: Final = re.compile(rb"[^ \t\r\n,\]}\[{\"]*+")

_OPEN: Final = frozenset(b"{[")
_CLOSE: Final = frozenset(b"}]")
_COMMA, _QUOTE, _BACKSLASH, _LEFT, _RIGHT, _BRACE = b',"\\[]{'


class JSONArrayDecoder(ValueDecoder):
    """The values of one array to frames.

    An object or an array is given out with its last bracket, not with the comma that may come much later. Text in
    place of punctuation is a `MalformedBody`, and so is a depth that no JSON decoder would follow.
    """

    def __init__(self, *, value_bytes_max: int = EVENT_BYTES_MAX) -> None:
        super().__init__(value_bytes_max=value_bytes_max)
        self._state = _State.BEGIN
        self._depth = 0  # of brackets within the value
        self._is_single = False

    @property
    def closed(self) -> bool:
        """Whether the array's last bracket has come."""
        return self._state is _State.CLOSED

    def _flush(self, frames: list[Frame]) -> None:
        """Nothing: without its brackets no array is whole, and no value could be told from a part of one."""

    def _take(self, chunk: bytes, frames: list[Frame]) -> None:
        at = start = 0
        size = len(chunk)
        while at < size:
            state = self._state
            if state is _State.NESTED:
                at = _end(_NESTED, chunk, at)
                if at < size:
                    at = self._at_bracket(chunk, start, at, frames)
                    if self._state not in _IN_VALUE:
                        start = at
            elif state is _State.STRING:
                at = _end(_STRING, chunk, at)
                if at < size:
                    # What stops here is the string's end, or a backslash that is the piece's last byte.
                    self._state = _State.ESCAPE if chunk[at] == _BACKSLASH else _State.NESTED
                    at += 1
                    if self._state is _State.NESTED and not self._depth:
                        start = self._value_ends(chunk, start, at, frames)
            elif state is _State.ESCAPE:
                self._state = _State.STRING
                at += 1
            elif state is _State.SCALAR:
                at = _end(_SCALAR, chunk, at)
                if at < size:
                    start = self._value_ends(chunk, start, at, frames)
            else:
                at = start = _end(_SPACE, chunk, at)
                if at < size:
                    at = start = self._at_punctuation(chunk[at], at)
                    if self._state is _State.NESTED and (match := _WHOLE.match(chunk, at)) is not None:
                        at = start = self._value_ends(chunk, start, match.end(), frames)
        if self._state in _IN_VALUE and start < size:
            self._hold(chunk[start:])

    def _at_bracket(self, chunk: bytes, start: int, at: int, frames: list[Frame]) -> int:
        """A bracket within a value, or a string in it that goes on in the next piece. Where to read on."""
        byte = chunk[at]
        at += 1
        if byte == _QUOTE:
            self._state = _State.STRING
        elif byte in _OPEN:
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise MalformedBody(f"a JSON value is nested deeper than {DEPTH_MAX}")
        else:
            self._depth -= 1
            if not self._depth:
                self._value_ends(chunk, start, at, frames)
        return at

    def _value_ends(self, chunk: bytes, start: int, at: int, frames: list[Frame]) -> int:
        """The value whose last byte is before `at`. Where the rest begins."""
        self._state = _State.CLOSED if self._is_single else _State.AFTER
        self._release(chunk[start:at], frames)
        return at

    def _at_punctuation(self, byte: int, at: int) -> int:
        """The first byte of what stands between values, or of a value. Where to read on."""
        state = self._state
        if state is _State.AFTER and byte == _COMMA:
            self._state = _State.NEXT
        elif byte == _RIGHT and state in (_State.AFTER, _State.FIRST):
            self._state = _State.CLOSED
        elif state is _State.BEGIN and byte == _LEFT:
            self._state = _State.FIRST
        elif state in (_State.FIRST, _State.NEXT) or (state is _State.BEGIN and byte == _BRACE):
            return self._value_begins(byte, at)
        else:
            raise MalformedBody(_MISSING[state])
        return at + 1

    def _value_begins(self, byte: int, at: int) -> int:
        if byte in _CLOSE or byte == _COMMA:
            raise MalformedBody(_MISSING[self._state])
        self._is_single = self._state is _State.BEGIN
        self._depth = 0
        if byte == _QUOTE:
            self._state = _State.STRING
            # The quote belongs to the value, so it is held here: the state says that it has been read.
            self._hold(b'"')
            return at + 1
        # A bracket is read again, as the value's first.
        self._state = _State.NESTED if byte in _OPEN else _State.SCALAR
        return at


_IN_VALUE: Final = frozenset({_State.NESTED, _State.STRING, _State.ESCAPE, _State.SCALAR})
_MISSING: Final = {
    _State.BEGIN: "the body is no JSON array",
    _State.FIRST: "a JSON array begins with something that is no value",
    _State.NEXT: "a JSON array has a comma and no value after it",
    _State.AFTER: "a JSON array has two values and no comma between them",
    _State.CLOSED: "something follows the end of a JSON array",
}


def _end(pattern: re.Pattern[bytes], chunk: bytes, at: int) -> int:
    """Where what is passed over ends."""
    match = pattern.match(chunk, at)
    return match.end() if match is not None else at
