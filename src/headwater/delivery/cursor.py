"""Where a reader stands: the seq of the last record that it has, and what may be wrong with it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from headwater.domain.run import RUN_ID
from headwater.errors import BadRequestError, CursorAheadError, CursorTrimmedError

#: More digits than any log will ever need; longer ones are refused before they are turned into a number.
_DIGITS_MAX = 15


class Cursor(NamedTuple):
    """From where to read: after a seq, or from a snapshot of everything so far."""

    after: int = 0
    from_snapshot: bool = False


def parse_cursor(last_event_id: str | None = None, after: str | None = None, start: str | None = None) -> Cursor:
    """The cursor that a request asks for: `Last-Event-ID`, else `?after=`, else `?from=`.

    EventSource sends the URL that it was made with on every reconnect, so the header must win over
    the query. An empty header is that of a client which has not seen an id yet, and says nothing.
    Raises `BadRequestError` for anything but a decimal number, and for an unknown `from`.
    """
    if start is not None and start != "snapshot":
        raise BadRequestError("`from` can only be `snapshot`.", parameter="from")
    if last_event_id:
        return Cursor(_seq(last_event_id, "Last-Event-ID"))
    if after is not None:
        if start is not None:
            raise BadRequestError("`after` and `from` say two different things; send one of them.", parameter="from")
        return Cursor(_seq(after, "after"))
    return Cursor(0, start is not None)


def parse_cursors(last_event_id: str, count: int) -> list[int]:
    """The cursors of so many runs, in the order of the request: `41.7.0`. Raises `BadRequestError`."""
    cursors = last_event_id.split(".")
    if len(cursors) != count:
        raise BadRequestError(
            f"`Last-Event-ID` must hold a cursor for each of the {count} runs.", parameter="Last-Event-ID"
        )
    return [_seq(cursor, "Last-Event-ID") for cursor in cursors]


def parse_place(text: str) -> tuple[str, int]:
    """A run and the seq of its last record that is known: `run_…:41`, or `run_…` for none. Raises `BadRequestError`."""
    run, colon, after = text.partition(":")
    return run, _seq(after, "run") if colon else 0


def parse_event_id(text: str) -> tuple[str, int]:
    """The run and the seq of an id that names both, as an event's does: `run_…:41`. Raises `BadRequestError`."""
    run, _, seq = text.partition(":")
    if RUN_ID.fullmatch(run) is None:
        raise BadRequestError("This is no id of an event that this stream sent.", parameter="Last-Event-ID")
    return run, _seq(seq, "Last-Event-ID")


def _seq(text: str, name: str) -> int:
    # Not int() alone: that takes "+1", " 1", "1_000" and digits of other scripts.
    if not (text.isascii() and text.isdigit()):
        raise BadRequestError(f"`{name}` must be the seq of a record: a whole number from 0.", parameter=name)
    digits = text.lstrip("0") or "0"
    if len(digits) > _DIGITS_MAX:
        raise BadRequestError(f"`{name}` is larger than any seq.", parameter=name)
    return int(digits)


def ahead(after: int, tail: int) -> CursorAheadError:
    """The refusal of a cursor past the tail. Never a silent wait: the client believes in records that are not there."""
    return CursorAheadError(f"The cursor is {after}, but the run's last record is {tail}.", tail=tail)


def trimmed(run: str, after: int, first: int) -> CursorTrimmedError:
    """The refusal of a cursor whose next record is gone, with the place where its sum still is."""
    return CursorTrimmedError(
        f"Record {after + 1} is gone; the oldest one kept is {first}. The run's snapshot holds what they amounted to.",
        snapshot=f"/api/v1/runs/{run}",
    )
