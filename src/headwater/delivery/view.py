"""Records → the bytes that one kind of reader gets. Pure.

A view has no state of its own: what it makes of a page depends on the page alone, so all readers
with the same view share the same bytes.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from headwater.domain import event as ev
from headwater.storage.contract import Page

#: A block is closed once it has about this many bytes. A longer record is a block of its own, so that its bytes
#: depend on that record alone and a reader can be given them in pieces.
BLOCK_BYTES_MAX = 32 * 1024
#: How much of the log a view that shrinks it reads for one block.
SHRUNK_PAGE_BYTES_MAX = 256 * 1024


class Encoding(Protocol):
    """A wire form of records: SSE, NDJSON."""

    transport: str
    media_type: bytes
    #: whether a closed log's tail is answered by 204, so that the client does not come back
    ends_by_204: bool
    heartbeat: bytes

    def record(self, seq: int, payload: bytes) -> bytes:
        """One record."""
        ...

    def skip(self, seq: int) -> bytes:
        """Moves the reader's cursor to a seq without a record; empty where the form has no such thing."""
        ...

    def greeting(self, retry_ms: int) -> bytes:
        """What is sent at once after the headers."""
        ...

    def farewell(self, retry_ms: int) -> bytes:
        """What is sent before the server ends a connection whose run goes on."""
        ...


class Block(NamedTuple):
    """The bytes of the records up to `last`. Readers at the same cursor are given the same object.

    `single` says that it holds one record and nothing else; only such a block may be given in pieces.
    """

    data: bytes
    last: int
    single: bool = False


def empty(cursor: int) -> Block:
    """What follows a cursor at the tail."""
    return Block(b"", cursor)


class View(NamedTuple):
    """How a reader wants its records: the form, only some types, the past up to a seq coalesced.

    Coalesced text never reaches over one of the `breaks`: seqs from which on an attempt superseded
    what was before, so that a reader can drop exactly that.
    """

    encoding: Encoding
    types: frozenset[str] | None = None
    coalesced_to: int = 0
    breaks: frozenset[int] = frozenset()

    @property
    def page_records_max(self) -> int:
        """How many records to read for one block: no more than can be in it, or be decoded in a few milliseconds."""
        return 2000 if self.coalesced_to or self.types is not None else 1000

    @property
    def page_bytes_max(self) -> int:
        """How much of the log to read for one block."""
        return SHRUNK_PAGE_BYTES_MAX if self.coalesced_to or self.types is not None else BLOCK_BYTES_MAX

    def render(self, page: Page) -> Block:
        """A block of the page's first records: all of them, unless the block is full before.

        The page holds at least one record.
        """
        if page.after < self.coalesced_to:
            return _render_coalesced(self, page)
        return _render(self, page)


def record_type(payload: bytes) -> str:
    """The type of an encoded record, without decoding it: the codec always puts it third."""
    start = payload.index(b',"type":"') + 9
    return payload[start : payload.index(b'"', start)].decode()


def _render(view: View, page: Page) -> Block:
    encode, types = view.encoding.record, view.types
    pieces: list[bytes] = []
    size = 0
    shown = seq = page.after
    for payload in page.payloads:
        if size + len(payload) > BLOCK_BYTES_MAX and seq > page.after:
            break
        seq += 1
        if types is not None and record_type(payload) not in types:
            continue
        piece = encode(seq, payload)
        pieces.append(piece)
        size += len(piece)
        shown = seq
    if shown != seq:
        pieces.append(view.encoding.skip(seq))
    return Block(b"".join(pieces), seq, seq == page.after + 1)


_Text = ev.Chunk | ev.Reasoning | ev.Refusal


def _mergeable(event: _Text) -> bool:
    return not (isinstance(event, ev.Chunk) and event.logprobs is not None)


def _continues(before: ev.Record, record: ev.Record) -> bool:
    """Whether a record's text may be put at the end of the one before it."""
    one, two = before.event, record.event
    return (
        isinstance(one, _Text)
        and isinstance(two, _Text)
        and type(one) is type(two)
        and one.index == two.index
        and one.call == two.call
        and _mergeable(one)
        and _mergeable(two)
    )


def _render_coalesced(view: View, page: Page) -> Block:
    """Neighbouring text of one part becomes one record, which has the seq and the time of the last of them."""
    runs: list[list[ev.Record]] = []
    payloads: list[bytes] = []
    size = 0
    seq = page.after
    for payload in page.payloads:
        if seq >= view.coalesced_to or (size + len(payload) > BLOCK_BYTES_MAX and runs):
            break
        record = ev.decode_record(payload)
        seq = record.seq
        if runs and seq not in view.breaks and _continues(runs[-1][-1], record):
            runs[-1].append(record)
            # The text alone: what the envelope costs is paid once a merged record.
            size += len(record.event.content.encode()) if isinstance(record.event, _Text) else len(payload)
        else:
            runs.append([record])
            payloads.append(payload)
            size += len(payload)
    pieces: list[bytes] = []
    shown = page.after
    for run, payload in zip(runs, payloads, strict=True):
        last = run[-1]
        if view.types is None or record_type(payload) in view.types:
            pieces.append(view.encoding.record(last.seq, payload if len(run) == 1 else _merged(run)))
            shown = last.seq
    if shown != seq:
        pieces.append(view.encoding.skip(seq))
    return Block(b"".join(pieces), seq, seq == page.after + 1)


def _merged(run: list[ev.Record]) -> bytes:
    last = run[-1]
    texts = [record.event.content for record in run if isinstance(record.event, _Text)]
    event = msgspec.structs.replace(last.event, content="".join(texts))
    return ev.encode_record(last.seq, last.t, event)
