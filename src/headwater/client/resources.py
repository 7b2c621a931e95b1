"""What the server's resources look like to a program that uses them. Unknown fields are passed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from headwater.client.errors import ParseError
from headwater.domain.run import Owner, RunState
from headwater.domain.snapshot import Snapshot

_STATES: Final = frozenset[str](RunState)


class RunResource(msgspec.Struct, frozen=True):
    """A run as the server shows it. Times are UTC. `state` is one of `RunState`, or what a newer server calls it.

    `request` is the JSON that started it: plain data and not `RunRequest`, which would refuse a newer server's fields.
    `snapshot` is its fold at `snapshot.seq`. Lists have neither.
    """

    id: str
    model: str
    state: str
    created_at: datetime
    tail: int
    workflow: str = "chat"
    ended_at: datetime | None = None
    owner: Owner | None = None
    retry_of: str | None = None
    metadata: dict[str, str] = {}
    request: dict[str, Any] | None = None
    snapshot: Snapshot | None = None
    metrics: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.state in _STATES:
            msgspec.structs.force_setattr(self, "state", RunState(self.state))


class RunPage(msgspec.Struct, frozen=True):
    """Runs, newest first. `next` asks for the page after this one; None at the end."""

    runs: tuple[RunResource, ...]
    next: str | None = None


class RecordPage(msgspec.Struct, frozen=True):
    """Records of one run, in order and each as its JSON.

    `last` is the cursor to go on from, `tail` the log's newest seq. `closed`: nothing comes after `tail` any more.
    """

    records: tuple[msgspec.Raw, ...]
    tail: int
    closed: bool
    last: int


class Price(msgspec.Struct, frozen=True):
    """US dollars for a million tokens.

    `cached_input` and `cache_write` are as `input` where they are None, and `cache_write_1h` as `cache_write`.
    """

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None


class Model(msgspec.Struct, frozen=True):
    """A model that can be called, by the name that callers use."""

    name: str
    provider: str = ""
    model: str = ""
    capabilities: tuple[str, ...] = ()
    #: None where it is not known
    price: Price | None = None


class ModelPage(msgspec.Struct, frozen=True):
    models: tuple[Model, ...]


R = TypeVar("R")


def decode(body: bytes, kind: type[R]) -> R:
    """A resource from its JSON. Raises `ParseError`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise ParseError(f"The server's answer is not a {kind.__name__}") from error
