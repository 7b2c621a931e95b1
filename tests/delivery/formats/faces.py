"""What a face makes of a log: all of it in one page, or cut as a test says."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from headwater.delivery.held import Face
from headwater.delivery.view import View
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.storage.contract import Page

RUN = "run_" + "0a" * 16
CREATED_AT_MS = 1_795_000_000_999
ID = "chatcmpl-" + "0a" * 16
USAGE = Usage(9, 2, 5, 3)


def encoded(events: Sequence[ev.Event]) -> list[bytes]:
    return [ev.encode_record(seq, seq * 7, event) for seq, event in enumerate(events, 1)]


def rendered(face: Face, payloads: Sequence[bytes], cuts: Collection[int] = ()) -> bytes:
    """The bytes after the greeting; each page ends at a cut, and is given in as many blocks as it takes."""
    view = View(face)
    data, after = b"", 0
    for end in sorted({*cuts, len(payloads)} - {0}):
        while after < end:
            block = view.render(Page(after, list(payloads[after:end]), len(payloads), False))
            assert after < block.last <= end
            data, after = data + block.data, block.last
    return data


def complete(reason: str = "stop") -> ev.Complete:
    return ev.Complete(reason, USAGE)
