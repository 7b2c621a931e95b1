"""A run's log as a Headwater server would send it, as steps and bytes for the scripted upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from typing import TypeVarTuple
from urllib.parse import parse_qs, urlsplit

from headwater.client.blocking import Portal
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.wire.sse import encode_comment, encode_event, record_frame
from tests.kit.upstream import Received, Script, ScriptedUpstream, Send, Status, Step

Ts = TypeVarTuple("Ts")

RUN = "run_" + "0" * 31 + "1"
SSE_HEAD = {"Content-Type": "text/event-stream; charset=utf-8", "X-Run-Id": RUN}
OPENING = encode_comment("ok") + encode_event(None, retry_ms=1000)


def log_of(*texts: str, final: ev.Event | None = None) -> list[ev.Record]:
    """A run that says these texts, each in a record, and ends."""
    events: list[ev.Event] = [ev.Status("streaming"), *[ev.Chunk(text, 0) for text in texts]]
    events.append(final or ev.Complete("stop", Usage(output_tokens=len(texts)), "".join(texts)))
    return [ev.Record(seq, seq * 10, event) for seq, event in enumerate(events, 1)]


def sse(records: Sequence[ev.Record]) -> bytes:
    """These records' blocks."""
    return b"".join([record_frame(record.seq, ev.encode_record(*record)) for record in records])


def after(received: Received) -> int:
    """The cursor that a request asks for."""
    return int(parse_qs(urlsplit(received.path).query).get("after", ["0"])[0])


def whole(records: Sequence[ev.Record], cursor: int = 0, *, pieces: int | None = None) -> list[Step]:
    """The whole and right answer: what follows the cursor."""
    return [Status(200, SSE_HEAD), Send(OPENING + sse(records[cursor:]), pieces)]


def open_with(*records: ev.Record) -> list[Step]:
    """An answer that has only begun."""
    return [Status(200, SSE_HEAD), Send(OPENING + sse(records))]


def raw_answer(records: Sequence[ev.Record], cursor: int = 0, *, chunked: bool = True, chunk_bytes: int = 100) -> bytes:
    """Every byte of the right answer, head and body, in chunks or ending with the connection."""
    body = OPENING + sse(records[cursor:])
    head = [b"HTTP/1.1 200 OK", *[f"{name}: {value}".encode() for name, value in SSE_HEAD.items()]]
    head.append(b"Transfer-Encoding: chunked" if chunked else b"Connection: close")
    answer = b"\r\n".join(head) + b"\r\n\r\n"
    if not chunked:
        return answer + body
    for at in range(0, len(body), chunk_bytes):
        piece = body[at : at + chunk_bytes]
        answer += b"%x\r\n%b\r\n" % (len(piece), piece)
    return answer + b"0\r\n\r\n"


def problem(status: int, code: str, *, retryable: bool = False, **headers: str) -> list[Step]:
    """A refusal as the server words it."""
    body = b'{"type":"urn:x","title":"T","status":%d,"detail":"Said %b.","code":"%b","retryable":%b}' % (
        status,
        code.encode(),
        code.encode(),
        b"true" if retryable else b"false",
    )
    head = {"Content-Type": "application/problem+json", **{n.replace("_", "-"): v for n, v in headers.items()}}
    return [Status(status, head, body, framing="length")]


def json_answer(body: bytes, status: int = 200) -> list[Step]:
    return [Status(status, {"Content-Type": "application/json"}, body, framing="length")]


def run_json(state: str = "running", **members: str) -> bytes:
    """A run as the server shows it; `members` are further members, in JSON."""
    ended = '"2026-11-21T10:00:01.000Z"' if state in ("completed", "failed", "cancelled") else "null"
    more = "".join(f',"{name}":{value}' for name, value in members.items())
    return (
        f'{{"id":"{RUN}","workflow":"chat","model":"simulated","state":"{state}","tail":3,'
        f'"created_at":"2026-11-21T10:00:00.000Z","ended_at":{ended},"owner":{{"org":"local","user":"local"}},'
        f'"retry_of":null,"metadata":{{}},"metrics":null,"new_in_2030":1{more}}}'
    ).encode()


class Naps:
    """Stands in for sleeping between tries: keeps what was asked for and returns at once."""

    def __init__(self) -> None:
        self.delays_s: list[float] = []

    async def __call__(self, delay_s: float) -> None:
        self.delays_s.append(delay_s)


class ManualLoop(asyncio.SelectorEventLoop):
    """A loop with real sockets whose time moves by `skip` only, so that a silence of a minute takes none."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._timers: list[asyncio.TimerHandle] = []
        super().__init__()

    def time(self) -> float:
        return self._now

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        self._timers.append(timer)
        return timer

    async def armed(self, seconds: float) -> None:
        """Waits until somebody waits for exactly so many seconds from now."""
        await until(lambda: any(t.when() == self._now + seconds and not t.cancelled() for t in self._timers))

    def skip(self, seconds: float) -> None:
        self._now += seconds


def run_manually(test: Callable[[ManualLoop], Awaitable[None]]) -> None:
    """Runs `test` on a loop whose time it moves itself."""
    with asyncio.Runner(loop_factory=ManualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, ManualLoop)

        async def body() -> None:
            await test(loop)

        runner.run(body())


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that announces itself nowhere."""
    while True:
        if condition():
            return
        await asyncio.sleep(0)  # paces: one turn of the loop, in which sockets are read


@contextmanager
def in_thread(*scripts: Script) -> Iterator[ScriptedUpstream]:
    """A scripted server on a loop in a thread of its own, for tests that block."""
    portal = Portal()
    upstream = ScriptedUpstream(*scripts)
    portal.call(upstream.__aenter__())
    try:
        yield upstream
    finally:
        portal.call(upstream.__aexit__())
        portal.close()
