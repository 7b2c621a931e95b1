"""An answer whose head waits: it opens as a stream or as a refusal, once, and never looks whole where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater.delivery.formats.openai_chat import OpenAIChatStream, identity
from headwater.delivery.held import Face, HeldSink
from headwater.delivery.response import Answer
from headwater.domain import event as ev
from headwater.domain.message import Usage

RUN = "run_" + "0" * 32
HEAD = Answer(RUN, 200, b"text/event-stream", ((b"x-more", b"1"),))


class Pipe:
    """A connection and its `send` in one."""

    def __init__(self) -> None:
        self.paused = False
        self.aborted = False
        self.sent: list[Any] = []
        self.broken = False

    def on_resume(self, callback: Callable[[], None] | None) -> None: ...

    def abort(self) -> None:
        self.aborted = True

    def write(self, data: bytes) -> bool:
        if self.broken:
            self.aborted = True
            return False
        self.sent.append({"type": "http.response.body", "body": data, "more_body": True})
        return not self.paused

    async def send(self, message: Any) -> None:
        if self.broken:
            raise OSError("gone")
        self.sent.append(message)

    @property
    def statuses(self) -> list[int]:
        return [message["status"] for message in self.sent if message["type"] == "http.response.start"]

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent if message["type"] == "http.response.body")

    @property
    def finished(self) -> bool:
        return any(message.get("more_body") is False for message in self.sent)


@pytest.fixture
def face() -> OpenAIChatStream:
    return OpenAIChatStream(identity(RUN, 0, "m"))


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


@pytest.fixture
def sink(pipe: Pipe, face: Face) -> HeldSink:
    return HeldSink(pipe.send, pipe, HEAD, face)


def chunk(face: Face) -> bytes:
    return face.record(1, ev.encode_record(1, 0, ev.Chunk("Hi", 0)))


def failed(face: Face) -> bytes:
    return face.record(2, ev.encode_record(2, 0, ev.Error("OVERLOADED", "Busy.", True)))


def completed(face: Face) -> bytes:
    return face.record(2, ev.encode_record(2, 0, ev.Complete("stop", Usage())))


def test_nothing_is_sent_before_there_is_something(sink: HeldSink, pipe: Pipe) -> None:
    assert sink.write(b"")
    assert pipe.sent == []


def test_output_opens_it(sink: HeldSink, pipe: Pipe, face: Face) -> None:
    assert sink.write(chunk(face))
    assert sink.write(completed(face))
    sink.finish()
    assert pipe.statuses == [200]
    assert pipe.body.startswith(face.greeting(0) + chunk(face))
    assert pipe.finished
    assert not pipe.aborted


def test_a_heartbeat_opens_it_too(sink: HeldSink, pipe: Pipe, face: Face) -> None:
    sink.write(face.heartbeat)
    assert (pipe.statuses, pipe.body) == ([200], face.greeting(0) + face.heartbeat)


def test_a_failure_before_it_is_another_answer(sink: HeldSink, pipe: Pipe, face: Face) -> None:
    assert sink.write(failed(face))
    sink.open()
    assert sink.write(b"more")
    sink.finish()
    assert pipe.statuses == [503]
    headers = dict(pipe.sent[0]["headers"])
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == b"%d" % len(pipe.body)
    assert (headers[b"x-run-id"], headers[b"x-more"]) == (RUN.encode(), b"1")
    assert b'"overloaded"' in pipe.body
    assert pipe.finished
    assert not pipe.aborted


def test_a_failure_after_it_is_said_in_it(sink: HeldSink, pipe: Pipe, face: Face) -> None:
    sink.open()
    sink.open()
    sink.write(failed(face))
    sink.finish()
    assert pipe.statuses == [200]
    assert pipe.body == face.greeting(0) + failed(face)
    assert pipe.finished


def test_an_answer_without_its_end_is_cut(sink: HeldSink, pipe: Pipe, face: Face) -> None:
    """A log that was deleted under its reader."""
    sink.write(chunk(face))
    sink.finish()
    assert (pipe.aborted, pipe.finished) == (True, False)


def test_an_answer_that_never_began_is_cut(sink: HeldSink, pipe: Pipe) -> None:
    sink.finish()
    assert (pipe.aborted, pipe.sent) == (True, [])


def test_a_full_connection_is_not_opened_by_the_clock(sink: HeldSink, pipe: Pipe) -> None:
    pipe.paused = True
    sink.open()
    assert pipe.sent == []


def test_who_writes_is_told_that_it_is_full(sink: HeldSink, pipe: Pipe, face: Face) -> None:
    pipe.paused = True
    assert not sink.write(b"")
    assert not sink.write(chunk(face))
    assert not sink.write(chunk(face))
    assert not sink.write(b"")


def test_a_broken_connection_is_cut_and_nothing_is_raised(sink: HeldSink, pipe: Pipe, face: Face) -> None:
    pipe.broken = True
    assert not sink.write(chunk(face))
    assert pipe.aborted


def test_a_refusal_on_a_broken_connection_raises_nothing(sink: HeldSink, pipe: Pipe, face: Face) -> None:
    pipe.broken = True
    sink.write(failed(face))
    assert pipe.aborted
    sink.abort()
