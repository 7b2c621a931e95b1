"""The provider `replay`: a stored run or a recorded stream of bytes, played again at its own pace, faster, or at once.

- `RunReplay` is the model `replay`. It says what the answer of a stored run said, and ends as that ended. Which run is
  in `settings.extra["replay"]`; whose run may be played is not decided here, for a provider knows no owners
  (`headwater.runs.source`).
- `RecordingReplay` is a model of the configuration that plays a file. The bytes go through the same reader as those
  of the network, so the same bytes say the same, and a recording that was cut ends as `Truncated`.

The usage is that of the recording, but nothing is bought again, so its cost is 0.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.errors import BadRequestError, ErrorCode, LogMissing, ProviderError, StorageError, Truncated
from headwater.providers.answer_reader import AnswerLimits, AnswerReader
from headwater.providers.contract import Dialect, Item, ModelInfo
from headwater.providers.pace import SPEED_MAX, SPEED_MIN, Pace, Speed, is_speed
from headwater.providers.recording import Recording
from headwater.providers.stored_answer import StoredAnswer, free

NAME = "replay"
POINTER = f"/settings/extra/{NAME}"
#: It can be called by everybody, and is listed for nobody: without a run to play it has nothing to say.
MODEL = ModelInfo(NAME, NAME, NAME)

#: A run and a seq to the stored records that follow, as bytes; none at the log's end. Raises `StorageError`.
ReadRecords = Callable[[str, int], Awaitable[Sequence[bytes]]]

#: So many pieces at most leave together.
_BATCH = 64


class Playback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request says about the play, in `settings.extra.replay`."""

    run: str | None = None
    #: None is the model's own, which is 1 unless its row says otherwise
    speed: float | str | None = None


def playback_of(request: GenerationRequest) -> Playback:
    """What a request says. Raises `BadRequestError` naming what can not be understood."""
    try:
        playback = msgspec.convert(request.settings.extra.get(NAME, {}), Playback)
    except msgspec.ValidationError as exc:
        raise BadRequestError(f"`settings.extra.{NAME}`: {exc}", pointer=POINTER) from exc
    if playback.speed is not None and not is_speed(playback.speed):
        raise BadRequestError(
            f"`speed` is a number from {SPEED_MIN:g} to {SPEED_MAX:g}, or `instant`.", pointer=f"{POINTER}/speed"
        )
    return playback


class RunReplay:
    """The provider of the model `replay`. In a call it holds one page of records, between calls nothing."""

    name = NAME

    def __init__(self, read: ReadRecords) -> None:
        self._read = read

    def check(self, request: GenerationRequest) -> None:
        """Refuses a request that names no run. Raises `BadRequestError`."""
        _wanted_run(request)

    async def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        """As `Provider.stream`. There is nothing to connect to, so `connect_s` never runs out."""
        run, speed = _wanted_run(request)
        try:
            async for items in self._play(run, speed):
                yield items
        except LogMissing:
            raise ProviderError(ErrorCode.BAD_REQUEST, "The run to replay was deleted.", provider=NAME) from None
        except StorageError as exc:
            raise ProviderError(
                ErrorCode.STORAGE, "The run to replay can not be read.", provider=NAME, detail=exc.message
            ) from exc

    async def close(self) -> None:
        """Nothing is open."""

    async def _play(self, run: str, speed: Speed) -> AsyncIterator[list[Item]]:
        answer = StoredAnswer()
        async for record in self._records(run):
            answer.note(record)
        pace, began_ms = Pace(speed), answer.began_ms or 0
        batch: list[Item] = []
        due_ms = 0
        async for record in self._records(run):
            event = record.event
            is_later = record.t != due_ms and speed != "instant"
            if batch and (is_later or len(batch) == _BATCH or ev.is_final(event)):
                await pace.until(due_ms - began_ms)
                yield batch
                batch = []
            due_ms = record.t
            if isinstance(event, ev.Complete | ev.Cancelled | ev.Error):
                await pace.until(due_ms - began_ms)
                yield [answer.finish(event)]
                return
            if isinstance(event, ev.Status) and event.state == "streaming":
                await pace.until(due_ms - began_ms)
                yield []
            batch += answer.items(record)
        raise Truncated("The run to replay has no end.", provider=NAME)

    async def _records(self, run: str) -> AsyncIterator[ev.Record]:
        after = 0
        while payloads := await self._read(run, after):
            for payload in payloads:
                yield ev.decode_record(payload)
            after += len(payloads)


def _wanted_run(request: GenerationRequest) -> tuple[str, Speed]:
    playback = playback_of(request)
    if playback.run is None:
        raise BadRequestError(f"`settings.extra.{NAME}.run` has to name the run to play.", pointer=f"{POINTER}/run")
    return playback.run, _speed(playback.speed, 1.0)


def _speed(asked: float | str | None, own: Speed) -> Speed:
    if asked is None:
        return own
    return "instant" if isinstance(asked, str) else asked


class RecordingReplay:
    """Plays one recorded body, decoded by its dialect. Stateless between calls."""

    name = NAME

    def __init__(self, recording: Recording, dialect: Dialect, speed: Speed = 1.0) -> None:
        self._recording = recording
        self._dialect = dialect
        self._speed = speed

    def check(self, request: GenerationRequest) -> None:
        """Refuses a request that names a run: this model plays its file. Raises `BadRequestError`."""
        if playback_of(request).run is not None:
            raise BadRequestError(
                f"This model plays a recording; a run is played by the model `{NAME}`.", pointer=f"{POINTER}/run"
            )

    async def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        """As `Provider.stream`. The recording's beginning is the moment of the call."""
        self.check(request)
        pace = Pace(_speed(playback_of(request).speed, self._speed))
        reader = AnswerReader(self._dialect, request, AnswerLimits(), [])
        try:
            yield []
            for at_ms, piece in self._recording.pieces:
                await pace.until(at_ms)
                if items := reader.feed(piece):
                    yield [_free(item) for item in items]
                if reader.failure is not None:
                    raise reader.failure
                if reader.ended:
                    break
            # A recording says nothing of how its connection ended; whether it is whole is for the dialect to say.
            if last := reader.end(clean=True):
                yield [_free(item) for item in last]
            if reader.failure is not None:
                raise reader.failure
        except ProviderError as exc:
            exc.provider = exc.provider or NAME
            raise

    async def close(self) -> None:
        """Nothing is open."""


def _free(item: Item) -> Item:
    return msgspec.structs.replace(item, usage=free(item.usage)) if isinstance(item, ev.UsageReport) else item
