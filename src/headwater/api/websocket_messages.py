"""What clients and server say to each other over a WebSocket, beside records (spec/PROTOCOL.md). Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from headwater.api.body import decode_body
from headwater.api.problem import problem_of
from headwater.delivery.websocket import text_frame
from headwater.domain.event import EVENT_TYPES
from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError, HeadwaterError

#: What the client calls its message; the answer has the same.
Id = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] | Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Seq = Annotated[int, msgspec.Meta(ge=0, lt=10**15)]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", kw_only=True):
    """What a client asks for; each is answered once, in order."""

    id: Id


class Subscribe(Message, frozen=True, tag="subscribe", rename={"from_": "from"}):
    """Sends a run's records after a seq, or from a snapshot on."""

    run: str
    after: Seq | None = None
    from_: Literal["snapshot"] | None = None
    types: list[str] | None = None


class Unsubscribe(Message, frozen=True, tag="unsubscribe"):
    """Sends no more of a run. Of one that is not subscribed to: nothing."""

    run: str


class Start(Message, frozen=True, tag="start"):
    """`POST /api/v1/runs`, with the records of the run unless `subscribe` is false.

    `after` counts for a run that the same key had made before; a new one begins at 1 whatever it says.
    """

    request: RunRequest
    idempotency_key: str | None = None
    subscribe: bool = True
    after: Seq = 0


class Cancel(Message, frozen=True, tag="cancel"):
    """`POST /api/v1/runs/{run}/cancel`."""

    run: str


class Ping(Message, frozen=True, tag="ping"):
    """Says nothing; for a client that wants to know whether it is heard."""


Asked = Subscribe | Unsubscribe | Start | Cancel | Ping


class Subscribed(msgspec.Struct, frozen=True):
    """`after` is the seq behind which the records begin."""

    run: str
    after: int


class Unsubscribed(msgspec.Struct, frozen=True):
    run: str


class Started(msgspec.Struct, frozen=True):
    """`created` is false for a run that the same key had made before."""

    run: str
    created: bool
    subscribed: bool


class Cancelled(msgspec.Struct, frozen=True):
    """The run's state as its log has it; one that has not ended will, by its final record."""

    run: str
    state: str


class Pong(msgspec.Struct, frozen=True):
    pass


Done = Subscribed | Unsubscribed | Started | Cancelled | Pong


class _Identified(msgspec.Struct):
    id: Any = None


_asked: msgspec.json.Decoder[Asked] = msgspec.json.Decoder(Asked)
_identified = msgspec.json.Decoder(_Identified)
_encoder = msgspec.json.Encoder()


def decode_message(text: str) -> Asked:
    """What a client asks for. Raises `BadRequestError` with a `pointer`, `TooLargeError`."""
    asked = decode_body(text.encode(), _asked)
    if isinstance(asked, Subscribe):
        if asked.after is not None and asked.from_ is not None:
            raise BadRequestError("`after` and `from` say two different things; send one of them.", pointer="/from")
        for place, name in enumerate(asked.types or ()):
            if name not in EVENT_TYPES:
                raise BadRequestError("There is no event of that type.", pointer=f"/types/{place}")
    return asked


def id_of(text: str) -> Id | None:
    """The id of a message that is none otherwise; None where it has none either."""
    try:
        id: Id = msgspec.convert(_identified.decode(text).id, Id)
        return id
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def done(id: Id, ok: Done) -> bytes:
    """The frame that says that what was asked is done."""
    return text_frame(_encoder.encode({"id": id, "ok": ok}))


def refused(id: Id | None, error: HeadwaterError) -> bytes:
    """The frame that says that it is not, with the problem that an answer over HTTP would be (RFC 9457).

    What HTTP has in a header is a member: `retry_after_s`.
    """
    answer = problem_of(error)
    problem: dict[str, Any] = msgspec.json.decode(answer.body)
    for name, value in answer.headers:
        if name == b"retry-after":
            problem["retry_after_s"] = int(value)
    return text_frame(_encoder.encode({"id": id, "error": problem}))
