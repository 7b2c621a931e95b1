"""Answers that go on after a crash where they were cut (T11): at the provider's, or as what was said so far."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Self

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message, Settings, Usage
from headwater.domain.run import LOCAL_OWNER, OnCrash
from headwater.domain.snapshot import fold
from headwater.errors import ErrorCode, ProviderError, UnsupportedError
from headwater.providers.contract import BackgroundProvider, Checkpoint, Finish, Item
from headwater.runs.recovery import Recovered
from headwater.storage.memory_medium import MemoryMedium
from tests.runs.lasting import LastingProvider
from tests.runs.scene import Play, Scene, pause, turns, virtual, words

LETTERS = "abcdefghij"
USAGE = Usage(3, 0, 10)
ANSWER: list[Item] = [*(ev.Chunk(letter, 0) for letter in LETTERS), ev.UsageReport(USAGE)]


class Life(Scene):
    """One process: it takes up what it finds."""

    def __init__(
        self,
        provider: LastingProvider | None = None,
        medium: MemoryMedium | None = None,
        *,
        play: Play | None = None,
        commit_delay: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(play, medium=medium, commit_delay=commit_delay)
        if provider is not None:
            self.models.provider = provider

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def start(self) -> Recovered:
        recovered = await self.supervisor.recover()
        self.supervisor.take_up(recovered.taken_up)
        self.supervisor.stop_answers(recovered.left_going)
        return recovered


async def cut(
    provider: LastingProvider | None, after_s: float, policy: OnCrash = "reattach", **more: Any
) -> MemoryMedium:
    """A run that was killed after so long."""
    async with Life(provider, play=more.pop("play", None)) as life:
        await life.submit(on_crash=policy, **more)
        await pause(after_s)
        life.storage.crash()
        return life.storage.medium


def lasting(*, every_s: float = 1.0, mark: int = 2) -> LastingProvider:
    return LastingProvider(ANSWER, every_s=every_s, mark=mark)


def busy() -> ProviderError:
    return ProviderError(ErrorCode.OVERLOADED, status_code=503)


def test_it_is_what_it_stands_for() -> None:
    assert isinstance(lasting(), BackgroundProvider)


@virtual
async def test_the_provider_went_on_and_is_asked_for_the_rest() -> None:
    provider = lasting()
    medium = await cut(provider, 3.5)
    (name,) = medium.runs
    before = list(medium.logs[name].records)
    async with Life(provider, medium) as life:
        await pause(3.0)  # while nobody served
        recovered = await life.start()
        assert recovered == Recovered(taken_up=recovered.taken_up)
        records = await life.end_of(name)
        assert medium.logs[name].records[: len(before)] == before
        complete = life.final(name)
        assert isinstance(complete, ev.Complete)
        assert (complete.final_response, complete.usage) == (LETTERS, USAGE)
        # the newest checkpoint was after the second letter, and the third was in the log
        assert [place.sequence_number for place in provider.asked_again] == [2]
        assert [r.event.content for r in records if isinstance(r.event, ev.Chunk)][:4] == ["a", "b", "c", "d"]
        assert not any(isinstance(r.event, ev.Attempt) for r in records)
        assert [r.event.state for r in records if isinstance(r.event, ev.Status)] == ["connecting", "streaming"] * 2
        assert list(provider.begun) == ["resp_1"]
        assert provider.stopped == []


@pytest.mark.parametrize("seed", range(40))
@virtual
async def test_wherever_it_is_cut_each_piece_is_there_once(seed: int) -> None:
    """Killed up to three times, at moments that the seed chooses, before a disk that is slow at times."""
    chance = random.Random(seed)
    provider = lasting(mark=chance.choice((1, 2, 3)), every_s=chance.choice((0.01, 0.05)))
    medium = MemoryMedium()
    for number in range(chance.choice((1, 2, 3))):
        async with Life(provider, medium, commit_delay=lambda: chance.choice((0.001, 0.02))) as life:
            await life.start()
            if number == 0:
                await life.submit(on_crash="reattach")
            await pause(chance.uniform(0.0, 0.3))
            life.storage.crash()
    (name,) = medium.runs
    async with Life(provider, medium) as life:
        recovered = await life.start()
        if recovered.taken_up or not medium.logs[name].closed:
            await life.end_of(name)
        final, text = life.final(name), fold(life.records(name)).text
        assert LETTERS.startswith(text)
        if isinstance(final, ev.Complete):
            assert final.final_response == text == LETTERS
        else:
            assert isinstance(final, ev.Error)
            assert final.code == "INTERRUPTED"
        assert len(provider.begun) <= 1, "nothing is paid for twice"


@pytest.mark.parametrize("seed", range(10))
@virtual
async def test_the_fields_of_a_structured_answer_go_on_too(seed: int) -> None:
    """Killed up to three times: what was told of it and what is told after it are one answer."""
    chance = random.Random(seed)
    text = '{"a": "one two", "grid": [[1, 2], [3, 4]], "b": {"c": [true, 12]}}'
    pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
    answer: list[Item] = [*(ev.Chunk(piece, 0) for piece in pieces), ev.UsageReport(USAGE)]
    provider = LastingProvider(answer, mark=chance.choice((1, 2, 3)), every_s=0.05)
    medium = MemoryMedium()
    for number in range(chance.choice((2, 3))):
        async with Life(provider, medium, commit_delay=lambda: chance.choice((0.001, 0.02))) as life:
            await life.start()
            if not number:
                await life.submit(on_crash="reattach", settings=Settings(json_schema={"required": ["a"]}))
            await pause(chance.uniform(0.05, 0.6))
            life.storage.crash()
            medium = life.storage.medium
    (name,) = medium.runs
    async with Life(provider, medium) as life:
        recovered = await life.start()
        if recovered.taken_up or not medium.logs[name].closed:
            await life.end_of(name)
        records, final = life.records(name), life.final(name)
        if isinstance(final, ev.Error):
            # the crash came before the provider had named its answer
            assert final.code == ErrorCode.INTERRUPTED
            return
        assert isinstance(final, ev.Complete)
        assert final.final_response == text
        assert (final.result["value"], final.result["is_valid"]) == (json.loads(text), True)
        assert fold(records).value == json.loads(text)


@virtual
async def test_a_call_is_in_the_log_before_it_is_made() -> None:
    """Else a start could not know that there is something to find, and would make it again."""
    provider = lasting()
    async with Life(provider, commit_delay=lambda: 0.5) as life:
        await life.submit(on_crash="reattach")
        while not provider.begun:
            await pause(0.01)
        (log,) = life.storage.medium.logs.values()
        assert "call" in [ev.decode_record(payload).event.type for payload in log.records]
        life.storage.crash()


@virtual
async def test_what_has_no_name_yet_can_not_be_found() -> None:
    provider = lasting()
    medium = await cut(provider, 1.5)
    (name,) = medium.runs
    async with Life(provider, medium) as life:
        assert (await life.start()).interrupted == 1
        assert life.error(name).code == "INTERRUPTED"
        assert provider.asked_again == []


@virtual
async def test_what_the_provider_has_forgotten_ends_as_interrupted() -> None:
    provider = lasting()
    medium = await cut(provider, 3.5)
    (name,) = medium.runs
    provider.forgotten = True
    async with Life(provider, medium) as life:
        await life.start()
        await life.end_of(name)
        assert (life.error(name).code, life.error(name).partial_bytes) == ("INTERRUPTED", 3)
        assert len(provider.asked_again) == 1


@pytest.mark.parametrize(
    ("how", "output_tokens"),
    # "abc" was said before the crash, and "abcdef" when it was cancelled
    [("forgotten", 1), ("unreachable", 1), ("cancelled", 2)],
)
@virtual
async def test_what_was_said_before_the_crash_is_paid_for_where_no_provider_says_so(
    how: str, output_tokens: int
) -> None:
    provider = lasting()
    medium = await cut(provider, 3.5)
    (name,) = medium.runs
    provider.forgotten = how == "forgotten"
    provider.failures = [busy() for _ in range(4 if how == "unreachable" else 1)]
    async with Life(provider, medium) as life:
        await life.start()
        if how == "cancelled":
            await pause(3.1)
            await life.supervisor.cancel(name, LOCAL_OWNER)
        await life.end_of(name)
        snapshot = life.row(name).snapshot
        assert snapshot is not None
        assert snapshot.usage == Usage(1, 0, output_tokens, source="estimated")


@virtual
async def test_who_can_not_be_reached_is_asked_again() -> None:
    provider = lasting()
    medium = await cut(provider, 3.5)
    (name,) = medium.runs
    provider.failures = [ProviderError(ErrorCode.NETWORK), busy()]
    async with Life(provider, medium) as life:
        await life.start()
        records = await life.end_of(name)
        complete = life.final(name)
        assert isinstance(complete, ev.Complete)
        assert complete.final_response == LETTERS
        assert not any(isinstance(r.event, ev.Attempt) for r in records), "it is one answer, and one attempt"
        states = [r.event.state for r in records if isinstance(r.event, ev.Status)]
        assert states == ["connecting", "streaming", "connecting", "reattaching", "reattaching", "streaming"]
        assert len(provider.asked_again) == 3
        assert len(provider.begun) == 1


@virtual
async def test_another_answer_is_not_put_behind_the_first() -> None:
    provider = lasting()
    medium = await cut(provider, 3.5)
    (name,) = medium.runs
    provider._script[2] = ev.Chunk("x", 0)
    async with Life(provider, medium) as life:
        await life.start()
        await life.end_of(name)
        assert life.error(name).code == "INTERRUPTED"
        assert fold(life.records(name)).text == "abc"


@virtual
async def test_a_cancel_stops_the_answer_where_it_is_made() -> None:
    provider = lasting()
    async with Life(provider) as life:
        run = await life.submit(on_crash="reattach")
        await pause(2.5)
        await life.supervisor.cancel(run.id, LOCAL_OWNER)
        await life.end_of(run)
        assert provider.stopped == ["resp_1"]


@pytest.mark.parametrize("why", ["cancel", "time", "model"])
@virtual
async def test_what_is_ended_by_the_next_start_is_stopped_too(why: str) -> None:
    provider = lasting()
    async with Life(provider) as life:
        name = (await life.submit(on_crash="reattach", total_s=60.0)).id
        await pause(2.5)
        if why == "cancel":
            await life.storage.runs.request_cancel(name, "user")
        medium = life.storage.medium
        life.storage.crash()
    async with Life(provider, medium) as life:
        if why == "time":
            life.clock.jump(100)
        if why == "model":
            life.models.unknown.add("m")
        recovered = await life.start()
        assert not recovered.taken_up
        await turns()
        # whoever is not in the configuration any more can not be told
        assert provider.stopped == ([] if why == "model" else ["resp_1"])


class FailsOnce(LastingProvider):
    """Its first answer fails when it has no more than a name."""

    def __init__(self, script: Sequence[Item]) -> None:
        super().__init__(script)
        #: when an answer was to be stopped, in seconds after the second one was begun
        self.stops_s: list[float] = []
        self.refuses_to_stop = False

    async def stream_in_background(
        self, request: GenerationRequest, *, connect_s: float | None
    ) -> AsyncGenerator[list[Item], None]:
        stream = super().stream_in_background(request, connect_s=connect_s)
        if len(self.begun) == 1:
            yield [ev.ProviderData(self.name, msgspec.to_builtins(Checkpoint("resp_1", 0)))]
            raise ProviderError(ErrorCode.OVERLOADED)
        async for items in stream:
            yield items

    async def stop(self, checkpoint: Checkpoint) -> None:
        now = asyncio.get_running_loop().time()
        self.stops_s.append(now - self.begun.get("resp_2", now))
        if self.refuses_to_stop:
            self.refuses_to_stop = False
            raise ProviderError(ErrorCode.SERVER)
        await super().stop(checkpoint)


@virtual
async def test_a_name_alone_is_no_output() -> None:
    """An answer that fails when it has no more than a name may be made again, and the first one is stopped."""
    provider = FailsOnce(ANSWER)
    async with Life(provider) as life:
        run = await life.submit(on_crash="reattach")
        records = await life.end_of(run)
        assert fold(records).text == LETTERS
        assert [r.event.number for r in records if isinstance(r.event, ev.Attempt)] == [2]
        assert (list(provider.begun), provider.stopped) == (["resp_1", "resp_2"], ["resp_1"])
        # at once, and not again when the second one has ended
        assert provider.stops_s == [0]


@virtual
async def test_what_could_not_be_stopped_when_it_was_given_up_is_stopped_at_the_end() -> None:
    provider = FailsOnce(ANSWER)
    provider.refuses_to_stop = True
    async with Life(provider) as life:
        await life.end_of(await life.submit(on_crash="reattach"))
        assert provider.stopped == ["resp_1"]
        assert len(provider.stops_s) == 2
        assert provider.stops_s[1] >= len(ANSWER)


@virtual
async def test_a_run_that_completes_has_nothing_to_stop() -> None:
    provider = lasting(every_s=0.01)
    async with Life(provider) as life:
        run = await life.submit(on_crash="reattach")
        await life.end_of(run)
        assert provider.stopped == []


@pytest.mark.parametrize(("policy", "able"), [("continue", ("text", "background")), ("reattach", ("text", "prefill"))])
@virtual
async def test_a_model_that_can_not_is_not_asked(policy: OnCrash, able: tuple[str, ...]) -> None:
    async with Life() as life:
        life.models.able = able
        with pytest.raises(UnsupportedError):
            await life.submit(on_crash=policy)
        assert not life.storage.medium.runs


# ── continue ────────────────────────────────────────────────────────────────────────────────────


async def goes_on(request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
    """A model that says the rest of whatever it is shown the beginning of."""
    last = request.messages[-1]
    said = str(last.content) if last.role == "assistant" else ""
    assert LETTERS.startswith(said)
    yield []
    for letter in LETTERS[len(said) :]:
        await pause(1.0)
        yield [ev.Chunk(letter, 0)]
    yield [ev.UsageReport(Usage(2, 0, len(LETTERS) - len(said))), Finish("stop", "stop")]


@virtual
async def test_the_rest_is_a_new_attempt_that_supersedes_nothing() -> None:
    medium = await cut(None, 3.5, "continue", play=goes_on)
    (name,) = medium.runs
    async with Life(None, medium, play=goes_on) as life:
        await life.start()
        records = await life.end_of(name)
        (asked,) = life.provider.calls
        assert asked.messages == [Message("user", "Hi"), Message("assistant", "abc")]
        (attempt,) = [r.event for r in records if isinstance(r.event, ev.Attempt)]
        assert attempt == ev.Attempt(1, 2, "INTERRUPTED", "scripted", "upstream-m", None)
        complete = life.final(name)
        assert isinstance(complete, ev.Complete)
        assert complete.final_response == LETTERS
        # of the first attempt nothing is known but what it said
        assert complete.usage == Usage(1, 0, 1, source="estimated") + Usage(2, 0, 7)


@virtual
async def test_a_rest_that_fails_is_taken_back_to_the_crash_where_the_run_allows_it() -> None:
    medium = await cut(None, 3.5, "continue", play=goes_on, after_output="new_attempt")
    (name,) = medium.runs
    ends = iter(["e", ""])

    async def fails_once(request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        end = next(ends)
        async for items in goes_on(request):
            yield items
            if items == [ev.Chunk(end, 0)]:
                raise ProviderError(ErrorCode.TRUNCATED, provider="scripted")

    async with Life(None, medium, play=fails_once) as life:
        await life.start()
        records = await life.end_of(name)
        began = next(r.seq for r in records if r.event == ev.Chunk("d", 0))
        attempts = [(r.event.reason, r.event.supersedes_from) for r in records if isinstance(r.event, ev.Attempt)]
        assert attempts == [("INTERRUPTED", None), ("TRUNCATED", began)]
        assert [call.messages[-1].content for call in life.provider.calls] == ["abc", "abc"]
        assert isinstance(life.final(name), ev.Complete)
        assert fold(records).text == LETTERS


@virtual
async def test_a_second_crash_goes_on_from_what_both_said() -> None:
    medium = await cut(None, 3.5, "continue", play=goes_on)
    (name,) = medium.runs
    async with Life(None, medium, play=goes_on) as life:
        await life.start()
        await pause(2.5)
        life.storage.crash()
    async with Life(None, medium, play=goes_on) as life:
        await life.start()
        await life.end_of(name)
        assert life.provider.calls[0].messages[-1] == Message("assistant", "abcde")
        snapshot = fold(life.records(name))
        assert snapshot.text == LETTERS
        # the second was asked with what the first had said
        guesses = Usage(1, 0, 1, source="estimated") + Usage(2, 0, 1, source="estimated")
        assert snapshot.usage == guesses + Usage(2, 0, 5)


@virtual
async def test_who_goes_on_and_is_stopped_was_asked_with_the_beginning() -> None:
    medium = await cut(None, 3.5, "continue", play=goes_on)
    (name,) = medium.runs
    async with Life(None, medium, play=goes_on) as life:
        await life.start()
        await pause(2.5)
        await life.supervisor.cancel(name, LOCAL_OWNER)
        await life.end_of(name)
        guesses = Usage(1, 0, 1, source="estimated") + Usage(2, 0, 1, source="estimated")
        assert fold(life.records(name)).usage == guesses


@virtual
async def test_who_had_said_nothing_begins_anew() -> None:
    medium = await cut(None, 0.5, "continue", play=goes_on)
    (name,) = medium.runs
    async with Life(None, medium, play=goes_on) as life:
        await life.start()
        await life.end_of(name)
        assert life.provider.calls[0].messages == [Message("user", "Hi")]
        assert fold(life.records(name)).text == LETTERS


@virtual
async def test_a_try_that_fails_is_made_again_from_the_same_place() -> None:
    medium = await cut(None, 3.5, "continue", play=goes_on)
    (name,) = medium.runs
    tries = 0

    async def fails_once(request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ProviderError(ErrorCode.OVERLOADED)
        async for items in goes_on(request):
            yield items

    async with Life(None, medium, play=fails_once) as life:
        await life.start()
        await life.end_of(name)
        assert fold(life.records(name)).text == LETTERS
        assert [asked.messages[-1].content for asked in life.provider.calls] == ["abc", "abc"]


@virtual
async def test_thoughts_can_not_be_continued() -> None:
    async def thinks(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield [ev.Reasoning("hm", 0)]
        yield [ev.Chunk("a", 1)]
        await pause(100.0)

    medium = await cut(None, 1.0, "continue", play=thinks)
    (name,) = medium.runs
    async with Life(None, medium, play=words("x")) as life:
        assert (await life.start()).interrupted == 1
        assert life.provider.calls == []
        assert life.error(name).code == "INTERRUPTED"
