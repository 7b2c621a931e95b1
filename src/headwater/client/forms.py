"""The forms in which servers put their events into a stream's data, and how a stream's form is settled.

The first data of a stream decides, and the decision is kept: an answer that happens to look like another form in its
middle is not taken for it.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from headwater.client.errors import ParseError
from headwater.domain.event import Record, decode_record
from headwater.wire.sse import Frame


class Form(Protocol):
    """Reads the data of one stream. A form may keep state: one form object reads one stream."""

    #: for people and logs
    name: str

    def read(self, frame: Frame) -> list[Record]:
        """The records of one frame. Raises `ParseError`."""
        ...


class FormKind(Protocol):
    """A kind of form: whether a stream's first frame is of it, and a fresh form to read that stream with."""

    def fits(self, first: Frame) -> bool: ...

    def __call__(self) -> Form: ...


class Envelope:
    """The standard envelope: `{"seq":7,"t":1234,"type":"chunk","data":{…}}`, a record a frame."""

    name = "envelope"

    def read(self, frame: Frame) -> list[Record]:
        try:
            return [decode_record(frame.data)]
        except msgspec.MsgspecError as error:
            # Without the bytes: they are somebody's prompt or answer.
            raise ParseError(f"The server sent an event that is not a record: {_without_value(error)}") from None


class _EnvelopeKind:
    def fits(self, first: Frame) -> bool:
        # Every form that is JSON at all is an object; its members say which.
        try:
            value = msgspec.json.decode(first.data)
        except msgspec.MsgspecError:
            return False
        return isinstance(value, dict) and {"seq", "t", "type", "data"} <= value.keys()

    def __call__(self) -> Form:
        return Envelope()


#: In the order in which they are tried.
FORMS: Final[tuple[FormKind, ...]] = (_EnvelopeKind(),)


def settle(first: Frame) -> Form:
    """The form of the stream whose first frame this is. Raises `ParseError` if it is none that is known."""
    for kind in FORMS:
        if kind.fits(first):
            return kind()
    raise ParseError("The server speaks a form of stream that this client does not know")


def _without_value(error: msgspec.MsgspecError) -> str:
    # msgspec names types and places; only "Invalid enum value 'x'" would quote what was sent.
    text = str(error)
    return "a value is not one of those allowed" if "'" in text else text
