"""Stored runs and recorded streams, played again in a time of their own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message, Settings, Usage
from headwater.errors import BadRequestError, ErrorCode, LogCorrupt, LogMissing, ProviderError, StorageError, Truncated
from headwater.providers.contract import Finish, Item, Provider
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.recording import Recording, evenly, load_recording
from headwater.providers.replay import NAME, RecordingReplay, RunReplay
from headwater.testing.dialect import decode_pieces
from tests.kit.virtual import run_virtual
from tests.recordings import chat_recordings, recordings_dir

PLAIN = Path(__file__).parent / "fixtures" / "chat_plain.sse"


def asked(**replay: Any) -> GenerationRequest:
    return GenerationRequest(NAME, [Message("user", "again")], Settings(extra={NAME: replay}))


def play(provider: Provider, **replay: Any) -> tuple[list[tuple[float, list[Item]]], ProviderError | None]:
    """What left together and when, in ms of virtual time since the call; and what it failed with."""

    async def listen() -> tuple[list[tuple[float, list[Item]]], ProviderError | None]:
        loop = asyncio.get_running_loop()
        began, got = loop.time(), []
        try:
            async for items in provider.stream(asked(**replay), connect_s=None):
                got.append((round((loop.time() - began) * 1000, 3), items))
        except ProviderError as error:
            return got, error
        return got, None

    return run_virtual(listen())


def items_of(provider: Provider, **replay: Any) -> list[Item]:
    got, error = play(provider, **replay)
    assert error is None
    return [item for _, items in got for item in items]


class Log:
    """The records of one run, read by pages of two."""

    def __init__(self, *records: tuple[int, ev.Event], name: str = "run_a") -> None:
        self.payloads = [ev.encode_record(seq, t, event) for seq, (t, event) in enumerate(records, 1)]
        self.name = name
        self.error: StorageError | None = None

    async def read(self, run: str, after: int) -> Sequence[bytes]:
        if self.error is not None:
            raise self.error
        if run != self.name:
            raise LogMissing
        return self.payloads[after : after + 2]


CALL = ev.Call(1, "answer", "openai", "gpt")
ENDED = (540, ev.Complete("stop", Usage(9, output_tokens=3), "Hello!"))
#: a run that waited half a second for its slot
LOG = Log(
    (500, ev.Status("connecting")),
    (500, CALL),
    (510, ev.Status("streaming")),
    (520, ev.Chunk("Hel", 0)),
    (520, ev.Chunk("lo", 0)),
    (530, ev.Chunk("!", 0)),
    (540, ev.UsageReport(Usage(9, output_tokens=3, cost_usd=0.1))),
    ENDED,
)
SAID = [ev.Chunk("Hel", 0), ev.Chunk("lo", 0)], [ev.Chunk("!", 0)]
REPORT = ev.UsageReport(Usage(9, output_tokens=3, cost_usd=0.0))


class TestRun:
    def test_it_is_played_at_its_own_pace_from_the_call_on(self) -> None:
        got, error = play(RunReplay(LOG.read), run="run_a")
        assert error is None
        assert got == [
            (10, []),
            (20, SAID[0]),
            (30, SAID[1]),
            (40, [REPORT]),
            (40, [Finish("stop", "stop")]),
        ]

    @pytest.mark.parametrize(("speed", "times"), [(2, [5, 10, 15, 20, 20]), (0.5, [20, 40, 60, 80, 80])])
    def test_it_is_played_faster_or_slower(self, speed: float, times: list[float]) -> None:
        assert [at for at, _ in play(RunReplay(LOG.read), run="run_a", speed=speed)[0]] == times

    def test_at_once_it_takes_no_time_and_goes_in_batches(self) -> None:
        chunks = [(t, ev.Chunk(f"{t} ", 0)) for t in range(600, 800)]
        log = Log((500, CALL), *chunks, (900, ev.Complete("stop", Usage())))
        got, _ = play(RunReplay(log.read), run="run_a", speed="instant")
        assert {at for at, _ in got} == {0}
        assert [item for _, items in got for item in items][:-1] == [chunk for _, chunk in chunks]
        assert [len(items) for _, items in got] == [64, 64, 64, 8, 1]

    def test_it_is_the_same_each_time(self) -> None:
        provider = RunReplay(LOG.read)
        assert play(provider, run="run_a") == play(provider, run="run_a")

    def test_a_failed_run_fails_when_it_did(self) -> None:
        log = Log((0, CALL), (10, ev.Chunk("a", 0)), (70, ev.Error("OVERLOADED", "Busy.", True, provider="openai")))
        got, error = play(RunReplay(log.read), run="run_a")
        assert got == [(10, [ev.Chunk("a", 0)])]
        assert error is not None
        assert (error.code, error.message, error.provider) == (ErrorCode.OVERLOADED, "Busy.", "openai")

    def test_a_cancelled_run_is_cut_where_it_was(self) -> None:
        log = Log((0, CALL), (10, ev.Chunk("a", 0)), (70, ev.Cancelled("user", 1)))
        got, error = play(RunReplay(log.read), run="run_a")
        assert got == [(10, [ev.Chunk("a", 0)])]
        assert isinstance(error, Truncated)

    def test_a_run_without_a_call_has_an_end(self) -> None:
        log = Log((5, ev.Status("queued")), (60, ev.Error("TIMEOUT", "No slot.", True, phase="queue")))
        got, error = play(RunReplay(log.read), run="run_a")
        assert got == []
        assert error is not None
        assert (error.code, error.phase) == (ErrorCode.TIMEOUT, "queue")

    def test_a_log_without_an_end_is_not_whole(self) -> None:
        got, error = play(RunReplay(Log((0, CALL), (10, ev.Chunk("a", 0))).read), run="run_a")
        assert isinstance(error, Truncated)
        assert got == []

    def test_a_run_that_is_gone_is_told(self) -> None:
        got, error = play(RunReplay(LOG.read), run="run_b")
        assert (got, error and error.code) == ([], ErrorCode.BAD_REQUEST)

    def test_a_log_that_can_not_be_read_is_told(self) -> None:
        log = Log()
        log.error = LogCorrupt("segment 3")
        _, error = play(RunReplay(log.read), run="run_a")
        assert error is not None
        assert (error.code, error.detail) == (ErrorCode.STORAGE, "segment 3")

    @pytest.mark.parametrize(
        ("replay", "pointer"),
        [
            ({}, "/settings/extra/replay/run"),
            ({"speed": 2}, "/settings/extra/replay/run"),
            ({"run": 7}, "/settings/extra/replay"),
            ({"run": "run_a", "speed": 0}, "/settings/extra/replay/speed"),
            ({"run": "run_a", "speed": "fast"}, "/settings/extra/replay/speed"),
            ({"run": "run_a", "speed": True}, "/settings/extra/replay"),
            ({"run": "run_a", "loop": True}, "/settings/extra/replay"),
        ],
    )
    def test_what_can_not_be_played_is_refused(self, replay: dict[str, Any], pointer: str) -> None:
        with pytest.raises(BadRequestError) as caught:
            RunReplay(LOG.read).check(asked(**replay))
        assert caught.value.extra["pointer"] == pointer

    async def test_leaving_ends_the_play(self) -> None:
        stream = RunReplay(LOG.read).stream(asked(run="run_a", speed="instant"), connect_s=None)
        assert await anext(aiter(stream)) == []
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator
        assert [each async for each in stream] == []


class TestRecording:
    def provider(self, body: bytes, speed: float = 1.0) -> RecordingReplay:
        return RecordingReplay(evenly(body, 10), OpenAIChat(), speed)

    def test_it_says_what_the_bytes_say_at_an_even_pace(self) -> None:
        got, error = play(self.provider(PLAIN.read_bytes()))
        assert error is None
        assert [(at, item) for at, items in got for item in items] == [
            (30, ev.Chunk("Grüße", 0)),
            (40, ev.Chunk(" 👋🏽\n", 0)),
            (60, ev.UsageReport(Usage(9, output_tokens=2, cost_usd=0.0))),
            (70, Finish("stop", "stop")),
        ]
        assert got[0] == (0, [])

    def test_the_rows_speed_holds_unless_a_request_has_another(self) -> None:
        provider = self.provider(PLAIN.read_bytes(), speed=2.0)
        assert play(provider)[0][-1][0] == 35
        assert play(provider, speed=1)[0][-1][0] == 70
        assert play(provider, speed="instant")[0][-1][0] == 0

    def test_its_own_times_are_kept(self) -> None:
        body = PLAIN.read_bytes()
        arrivals = [(100.0, body[:300]), (100.0, body[300:310]), (4000.0, body[310:])]
        got, _ = play(RecordingReplay(Recording(arrivals), OpenAIChat()))
        assert {at for at, items in got if items} <= {100, 4000}
        assert got[-1][0] == 4000

    def test_a_recording_that_was_cut_is_truncated(self) -> None:
        body = PLAIN.read_bytes()
        got, error = play(self.provider(body[: body.index(b'"finish_reason":"stop"')]))
        assert [item for _, items in got for item in items] == [ev.Chunk("Grüße", 0), ev.Chunk(" 👋🏽\n", 0)]
        assert isinstance(error, Truncated)

    def test_an_empty_recording_is_truncated(self) -> None:
        assert isinstance(play(self.provider(b""))[1], Truncated)

    def test_an_error_in_it_is_that_error(self) -> None:
        got, error = play(self.provider((PLAIN.parent / "chat_error_in_mid_stream.sse").read_bytes()))
        assert error is not None
        assert error.provider
        assert any(items for _, items in got)

    def test_it_plays_no_run(self) -> None:
        with pytest.raises(BadRequestError) as caught:
            self.provider(b"").check(asked(run="run_a"))
        assert caught.value.extra["pointer"] == "/settings/extra/replay/run"

    @pytest.mark.skipif(recordings_dir() is None, reason="the recorded streams are not on this machine")
    def test_every_recorded_chat_says_what_it_says_over_the_network(self) -> None:
        for recording in chat_recordings():
            body = recording.read()
            plain = decode_pieces(OpenAIChat(), [body], clean=True)
            got, error = play(RecordingReplay(load_recording(recording.path), OpenAIChat()))
            items = [item for _, items in got for item in items]
            if plain.error is not None:
                assert error is not None
                assert error.code == plain.error.code
                continue
            assert error is None, recording.name
            assert list(map(without_cost, items)) == list(map(without_cost, plain.items)), recording.name


def without_cost(item: Item) -> Item:
    if not isinstance(item, ev.UsageReport):
        return item
    return msgspec.structs.replace(item, usage=msgspec.structs.replace(item.usage, cost_usd=None))
