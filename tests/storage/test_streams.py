"""What a page of a stream says of itself."""

from headwater.domain.stream import Stream
from headwater.storage.streams import StreamPage

OPEN = Stream(id=1, content_type="text/plain", created_at_ms=0, tail=3)
CLOSED = Stream(id=1, content_type="text/plain", created_at_ms=0, tail=3, closed=True)


def test_a_page_knows_whether_it_is_the_last() -> None:
    for stream, after, payloads, last, up_to_date, at_end in (
        (OPEN, 0, [b"a"], 1, False, False),
        (OPEN, 1, [b"b", b"c"], 3, True, False),
        (CLOSED, 1, [b"b"], 2, False, False),
        (CLOSED, 2, [b"c"], 3, True, True),
        (CLOSED, 3, [], 3, True, True),
    ):
        page = StreamPage(stream, after, payloads)
        assert (page.last, page.up_to_date, page.at_end) == (last, up_to_date, at_end)
