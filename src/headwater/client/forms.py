"""The forms in which servers put their events into a stream's data, and how a stream's form is settled.

The first data of a stream decides, and the decision is kept: an answer that happens to look like another form in its
middle is not taken for it. Only JSON objects are JSON; anything else is raw text. The forms beside the envelope are in
`headwater.client.older_forms`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from headwater.client import older_forms
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

    def end(self) -> list[Record]:
        """What the clean end of the body says: nothing, where the form has an end of its own that did not come."""
        ...


class Envelope:
    """The standard envelope: `{"seq":7,"t":1234,"type":"chunk","data":{…}}`, a record a frame."""

    name = "envelope"

    def read(self, frame: Frame) -> list[Record]:
        try:
            return [decode_record(frame.data)]
        except msgspec.MsgspecError as error:
            # Without the bytes: they are somebody's prompt or answer.
            raise ParseError(f"The server sent an event that is not a record: {_without_value(error)}") from None

    def end(self) -> list[Record]:
        return []


class FormKind(NamedTuple):
    """A kind of form: whether a stream's first data, a JSON object, is of it, and a fresh form to read it with."""

    fits: Callable[[dict[str, Any]], bool]
    make: Callable[[], Form]


#: In the order in which they are tried.
FORMS: Final[tuple[FormKind, ...]] = (
    FormKind(lambda first: {"seq", "t", "type", "data"} <= first.keys(), Envelope),
    FormKind(older_forms.is_openai_chunk, older_forms.OpenAIChunks),
    FormKind(older_forms.is_token, older_forms.Tokens),
    FormKind(older_forms.is_typed, older_forms.Typed),
)


def settle(first: Frame) -> Form:
    """The form of the stream whose first frame this is. Raises `ParseError` for an object that is of none."""
    value = older_forms.json_object(first.data)
    if value is None:
        return older_forms.RawText()
    for kind in FORMS:
        if kind.fits(value):
            return kind.make()
    raise ParseError("The server speaks a form of stream that this client does not know")


def _without_value(error: msgspec.MsgspecError) -> str:
    # msgspec names types and places; only "Invalid enum value 'x'" would quote what was sent.
    text = str(error)
    return "a value is not one of those allowed" if "'" in text else text
