"""Records become the bytes that a kind of reader gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.delivery.ndjson import NDJSON
from headwater.delivery.sse import SSE
from headwater.delivery.view import BLOCK_BYTES_MAX, View, empty, record_type
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.storage.contract import Page
from headwater.wire.sse import SSEDecoder


def page_of(events: list[ev.Event], after: int = 0) -> Page:
    payloads = [ev.encode_record(after + n, n * 10, event) for n, event in enumerate(events, 1)]
    return Page(after, payloads, after + len(payloads), False)


def chunks(*texts: str, index: int = 0) -> list[ev.Event]:
    return [ev.Chunk(text, index) for text in texts]


def shown(data: bytes) -> list[tuple[str | None, ev.Record]]:
    return [(frame.id, ev.decode_record(frame.data)) for frame in SSEDecoder().feed(data)]


def test_every_record_is_a_block_with_its_seq() -> None:
    page = page_of(chunks("a", "b"), after=4)
    block = View(SSE).render(page)
    assert block.data == b"id: 5\ndata: %b\n\nid: 6\ndata: %b\n\n" % tuple(page.payloads)
    assert (block.last, block.single) == (6, False)


def test_ndjson_is_the_payload_and_a_line_end() -> None:
    page = page_of(chunks("a", "b\n\r\u2028"))
    block = View(NDJSON).render(page)
    assert block.data.split(b"\n") == [*page.payloads, b""]


def test_an_empty_block_stands_still() -> None:
    assert empty(7).last == 7
    assert empty(7).data == b""


@pytest.mark.parametrize(
    "event",
    [
        ev.Chunk('","type":"error"', 0),
        ev.Chunk("x", 0, call=2),
        ev.Status("queued", '"type":"chunk"'),
        ev.UsageReport(Usage()),
        ev.Unknown("odd", {"type": "chunk"}),
        ev.Complete("stop", Usage()),
    ],
)
def test_the_type_is_read_without_decoding(event: ev.Event) -> None:
    name = event.name if isinstance(event, ev.Unknown) else event.type
    assert record_type(ev.encode_record(12345, 67, event)) == name


def test_a_filter_ends_with_one_block_that_moves_the_cursor() -> None:
    page = page_of([*chunks("a"), ev.Status("x"), *chunks("b"), ev.Status("y"), ev.Status("z")])
    block = View(SSE, frozenset({"chunk"})).render(page)
    frames = SSEDecoder()
    assert [frame.id for frame in frames.feed(block.data)] == ["1", "3"]
    assert block.data.endswith(b"\n\nid: 5\n\n")
    assert block.data.count(b"id:") == 3
    assert frames.last_event_id == "5"
    assert block.last == 5


def test_a_filter_that_shows_the_last_record_needs_no_such_block() -> None:
    block = View(SSE, frozenset({"status"})).render(page_of([*chunks("a"), ev.Status("x")]))
    assert block.data.count(b"id:") == 1
    assert block.last == 2


def test_ndjson_leaves_out_without_a_word() -> None:
    block = View(NDJSON, frozenset({"status"})).render(page_of(chunks("a", "b")))
    assert (block.data, block.last) == (b"", 2)


@pytest.mark.parametrize("view", [View(SSE), View(SSE, frozenset({"chunk"})), View(SSE, None, 10**9)])
def test_a_block_is_bounded_and_a_long_record_is_alone(view: View) -> None:
    texts = ["a" * 20_000, "b" * 20_000, "c" * 100_000, "d", "e" * 5]
    after, blocks = 0, []
    while after < len(texts):
        page = page_of([ev.Chunk(text, n) for n, text in enumerate(texts)])
        rest = Page(after, page.payloads[after:], page.tail, False)
        block = view.render(rest)
        assert block.last > after
        assert len(block.data) <= BLOCK_BYTES_MAX * 2 or block.single
        blocks.append((block.last, block.single))
        after = block.last
    assert blocks == [(1, True), (2, True), (3, True), (5, False)]


def test_coalesced_text_has_the_seq_and_time_of_its_last_piece() -> None:
    events = [
        *chunks("a", "b"),
        *chunks("c", index=1),
        ev.Reasoning("r1", 0),
        ev.Reasoning("r2", 0),
        ev.Status("streaming"),
        *chunks("d", "e"),
    ]
    block = View(SSE, None, 8).render(page_of(events))
    assert [(i, r.seq, r.t, getattr(r.event, "content", None)) for i, r in shown(block.data)] == [
        ("2", 2, 20, "ab"),
        ("3", 3, 30, "c"),
        ("5", 5, 50, "r1r2"),
        ("6", 6, 60, None),
        ("8", 8, 80, "de"),
    ]


def test_coalescing_stops_where_the_present_begins_and_where_an_attempt_superseded() -> None:
    page = page_of(chunks("a", "b", "c", "d", "e"))
    view = View(SSE, None, 4, frozenset({3}))
    block = view.render(page)
    assert [(r.seq, r.event) for _, r in shown(block.data)] == [(2, ev.Chunk("ab", 0)), (4, ev.Chunk("cd", 0))]
    rest = view.render(Page(4, page.payloads[4:], 5, False))
    assert rest.data == View(SSE).render(Page(4, page.payloads[4:], 5, False)).data


def test_a_filter_over_coalesced_text_moves_the_cursor_too() -> None:
    page = page_of([*chunks("a", "b"), ev.Status("x"), *chunks("c", "d")])
    block = View(SSE, frozenset({"status"}), 5).render(page)
    assert [(i, r.seq) for i, r in shown(block.data)] == [("3", 3)]
    assert block.data.endswith(b"\n\nid: 5\n\n")
    assert block.last == 5


def test_what_carries_more_than_text_is_not_merged() -> None:
    events: list[ev.Event] = [ev.Chunk("a", 0, logprobs=[1]), ev.Chunk("b", 0), ev.Chunk("c", 0, call=2)]
    block = View(SSE, None, 3).render(page_of(events))
    assert [r.event for _, r in shown(block.data)] == events


def test_a_record_that_stands_alone_keeps_its_bytes() -> None:
    page = page_of([ev.Unknown("odd", {"b": 1, "a": 2}), *chunks("x")])
    assert page.payloads[0] in View(SSE, None, 2).render(page).data


_events = st.one_of(
    st.builds(ev.Chunk, content=st.text(max_size=8), index=st.integers(0, 1)),
    st.builds(ev.Reasoning, content=st.text(max_size=8), index=st.integers(0, 1)),
    st.builds(ev.Refusal, content=st.text(max_size=8), index=st.just(0), call=st.none() | st.just(2)),
    st.builds(ev.Status, state=st.text(max_size=8)),
)


@given(st.lists(_events, min_size=1, max_size=40), st.integers(0, 40), st.sets(st.integers(1, 40), max_size=3))
def test_coalescing_loses_and_adds_nothing(events: list[ev.Event], until: int, breaks: set[int]) -> None:
    page = page_of(events)
    data = b""
    after = 0
    view = View(SSE, None, until, frozenset(breaks))
    while after < len(events):
        block = view.render(Page(after, page.payloads[after:], page.tail, False))
        data += block.data
        after = block.last
    got = [r for _, r in shown(data)]
    assert [r.seq for r in got] == sorted({r.seq for r in got})
    assert got[-1].seq == len(events)

    def texts(all_events: list[ev.Event]) -> list[tuple[object, ...]]:
        """The text of each part, in pieces no finer than where something else stood between."""
        merged: list[tuple[object, ...]] = []
        for event in all_events:
            if isinstance(event, ev.Status):
                merged.append((event,))
                continue
            assert isinstance(event, ev.Chunk | ev.Reasoning | ev.Refusal)
            key = (event.type, event.index, event.call)
            if merged and merged[-1][:3] == key:
                merged[-1] = (*key, str(merged[-1][3]) + event.content)
            else:
                merged.append((*key, event.content))
        return merged

    assert texts([r.event for r in got]) == texts(events)
    # Nothing reaches over a break: whoever drops all from there on drops neither too much nor too little.
    for at in breaks:
        kept = [r.event for r in got if r.seq < at]
        assert texts(kept) == texts(events[: at - 1])
