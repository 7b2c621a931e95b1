"""What EventSource reads beside the records."""

from headwater.delivery.sse import SSE, SSEOfRun
from headwater.wire.sse import SSEDecoder


def test_nothing_but_a_record_is_an_event() -> None:
    decoder = SSEDecoder()
    for data in (SSE.greeting(1234), SSE.heartbeat, SSE.skip(9), SSE.farewell(777)):
        assert data.endswith(b"\n\n")
        assert decoder.feed(data) == []
        assert not decoder.pending
    assert decoder.last_event_id == "9"
    assert decoder.retry_ms == 777


def test_the_greeting_begins_with_a_comment() -> None:
    assert SSE.greeting(1234) == b": ok\n\nretry: 1234\n\n"


def test_a_record_is_one_event_with_its_seq() -> None:
    [frame] = SSEDecoder().feed(SSE.record(7, b'{"seq":7}'))
    assert (frame.id, frame.event, frame.data) == ("7", "", b'{"seq":7}')


def test_an_id_may_name_the_run() -> None:
    encoding = SSEOfRun("run_1")
    [frame] = SSEDecoder().feed(encoding.record(7, b'{"seq":7}'))
    assert (frame.id, frame.event, frame.data) == ("run_1:7", "", b'{"seq":7}')
    decoder = SSEDecoder()
    assert decoder.feed(encoding.skip(9)) == []
    assert decoder.last_event_id == "run_1:9"


def test_readers_of_one_run_share_one_form_and_others_do_not() -> None:
    assert {SSEOfRun("run_1"), SSEOfRun("run_1"), SSEOfRun("run_2")} == {SSEOfRun("run_1"), SSEOfRun("run_2")}
    assert SSEOfRun("run_1") != SSE
