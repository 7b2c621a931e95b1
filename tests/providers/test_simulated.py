"""The model that is always there: what it says, at what pace, and how it fails when it is told to."""

import asyncio
import tracemalloc
from itertools import pairwise
from typing import Any, ClassVar

import msgspec
import pytest

from headwater.domain.event import Chunk, Reasoning, ToolCall, UsageReport
from headwater.domain.message import (
    GenerationRequest,
    ImagePart,
    Message,
    NamedTool,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
)
from headwater.errors import BadRequestError, ErrorCode, ProviderError, Truncated, UnsupportedError
from headwater.providers import estimate
from headwater.providers.contract import Finish, Item
from headwater.providers.simulated import FailCode, Simulated, compose
from tests.kit.virtual import run_virtual

WEATHER = Tool(
    "weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
)


def asked(
    *messages: Message | str, scenario: dict[str, Any] | None = None, delay_ms: object = 0, **settings: Any
) -> GenerationRequest:
    """A request for the simulated model, without delay unless told otherwise."""
    given = [Message("user", each) if isinstance(each, str) else each for each in messages or ("Hello there",)]
    extra = {"simulated": {"delay_ms": delay_ms, **(scenario or {})}}
    return GenerationRequest("simulated", given, Settings(extra=extra, **settings))


async def items(request: GenerationRequest) -> list[Item]:
    return [item async for batch in Simulated().stream(request, connect_s=None) for item in batch]


async def until_failure(request: GenerationRequest) -> tuple[list[Item], ProviderError]:
    got: list[Item] = []
    with pytest.raises(ProviderError) as caught:
        async for batch in Simulated().stream(request, connect_s=None):
            got += batch
    return got, caught.value


def text_of(got: list[Item]) -> str:
    return "".join(item.content for item in got if isinstance(item, Chunk))


def arguments_of(got: list[Item]) -> Any:
    return msgspec.json.decode("".join(item.arguments for item in got if isinstance(item, ToolCall)))


def finish_of(got: list[Item]) -> str:
    """How it ended; and that it did so once, with the last item."""
    (finish,) = (item for item in got if isinstance(item, Finish))
    assert got[-1] is finish
    return finish.reason


class TestAnswer:
    async def test_it_says_that_it_is_simulated_and_what_it_was_asked(self) -> None:
        text = text_of(await items(asked("Where is  the ferry?")))
        assert text.startswith("This is a simulated answer.")
        assert "“Where is  the ferry?”" in text

    async def test_the_same_seed_gives_the_same_answer(self) -> None:
        assert await items(asked("a", seed=7)) == await items(asked("a", seed=7))
        assert text_of(await items(asked("a", seed=7))) != text_of(await items(asked("a", seed=8)))

    async def test_without_a_seed_the_messages_are_one(self) -> None:
        assert await items(asked("a")) == await items(asked("a"))
        assert text_of(await items(asked("a"))).partition("”")[2] != text_of(await items(asked("b"))).partition("”")[2]

    @pytest.mark.parametrize("words", [0, 1, 5, 200])
    async def test_it_has_as_many_words_as_asked_for(self, words: int) -> None:
        plain = {"format": "plain"}
        opening = len(compose(asked("a", scenario={"words": 0, **plain})).pieces)
        assert len(compose(asked("a", scenario={"words": words, **plain})).pieces) == opening + words

    async def test_markdown_has_a_heading_a_list_and_code(self) -> None:
        text = text_of(await items(asked("a")))
        for sign in ("\n\n## ", "\n- **", "```python\n", "\n```\n"):
            assert sign in text

    async def test_reasoning_comes_before_the_text(self) -> None:
        got = await items(asked("a b c", reasoning_effort="low"))
        kinds = [type(item) for item in got]
        assert kinds[0] is Reasoning
        assert kinds.index(Chunk) > max(at for at, kind in enumerate(kinds) if kind is Reasoning)
        assert not any(isinstance(item, Reasoning) for item in await items(asked("a b c")))
        assert not any(
            isinstance(item, Reasoning)
            for item in await items(asked("a", reasoning_effort="high", scenario={"reasoning": False}))
        )

    async def test_long_messages_are_echoed_in_part(self) -> None:
        assert len(text_of(await items(asked("x" * 10_000)))) < 2_000

    async def test_parts_tool_results_and_images_are_taken_notice_of(self) -> None:
        question = Message("user", [TextPart("What is this?"), ImagePart(url="https://example.com/a.png")])
        result = Message("tool", [ToolResultPart("call_1", "12 degrees")])
        text = text_of(await items(asked(question, result)))
        assert "“What is this?”" in text
        assert "“12 degrees”" in text
        assert "1 images" in text

    async def test_usage_is_an_estimate_and_says_so(self) -> None:
        got = await items(asked("one two three", reasoning_effort="low"))
        (usage,) = (item.usage for item in got if isinstance(item, UsageReport))
        said = "".join(item.content for item in got if isinstance(item, Chunk | Reasoning))
        thought = "".join(item.content for item in got if isinstance(item, Reasoning))
        assert usage == estimate.usage(len("one two three"), len(said.encode()), len(thought.encode()))
        assert 0 < usage.reasoning_tokens < usage.output_tokens


class TestLimits:
    async def test_max_tokens_ends_it_with_length(self) -> None:
        whole = text_of(await items(asked("a")))
        got = await items(asked("a", max_tokens=5))
        assert finish_of(got) == "length"
        assert whole.startswith(text_of(got))
        assert len(text_of(got).split()) == 5

    async def test_enough_tokens_end_it_with_stop(self) -> None:
        request = asked("a")
        enough = len(compose(request).pieces)
        assert finish_of(await items(asked("a", max_tokens=enough))) == "stop"
        assert finish_of(await items(asked("a", max_tokens=enough - 1))) == "length"

    async def test_the_first_stop_sequence_ends_it(self) -> None:
        got = await items(asked("a", stop=["wrote", "simulated", "not in it"]))
        assert text_of(got) == "This is a "
        assert finish_of(got) == "stop"

    async def test_logprobs_are_refused(self) -> None:
        with pytest.raises(UnsupportedError):
            Simulated().check(asked("a", logprobs=3))


class TestJson:
    async def test_it_answers_in_json_that_fits_the_schema(self) -> None:
        schema = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "count": {"type": "integer", "minimum": 3, "maximum": 3}},
            "required": ["name", "count"],
        }
        got = await items(asked("a", json_schema=schema))
        value = msgspec.json.decode(text_of(got))
        assert value["count"] == 3
        assert isinstance(value["name"], str)
        assert sum(isinstance(item, Chunk) for item in got) > 3, "it arrives in pieces"

    async def test_without_a_schema_the_label_is_in_the_json(self) -> None:
        value = msgspec.json.decode(text_of(await items(asked("a", scenario={"format": "json"}))))
        assert value["simulated"] is True


class TestTools:
    @pytest.mark.parametrize(
        ("message", "settings", "scenario"),
        [
            ("What is the weather in Basel?", {}, {}),
            ("Hello", {"tool_choice": "required"}, {}),
            ("Hello", {"tool_choice": NamedTool("weather")}, {}),
            ("Hello", {}, {"tool_call": True}),
        ],
        ids=["spoken of", "required", "named", "by script"],
    )
    async def test_a_tool_is_called_when_asked_for(
        self, message: str, settings: dict[str, Any], scenario: dict[str, Any]
    ) -> None:
        got = await items(asked(message, scenario=scenario, tools=[WEATHER], **settings))
        calls = [item for item in got if isinstance(item, ToolCall)]
        assert finish_of(got) == "tool_calls"
        assert calls[0].name == "weather"
        assert {call.id for call in calls} == {calls[0].id}
        assert [call.done for call in calls] == [False] * (len(calls) - 1) + [True]
        assert isinstance(arguments_of(got)["city"], str)

    @pytest.mark.parametrize(
        ("message", "settings"),
        [("Hello", {}), ("the weather", {"tool_choice": "none"}), ("Hello", {"tool_choice": "auto"})],
    )
    async def test_else_it_answers_in_words(self, message: str, settings: dict[str, Any]) -> None:
        assert finish_of(await items(asked(message, tools=[WEATHER], **settings))) == "stop"

    async def test_a_result_is_answered_not_asked_for_again(self) -> None:
        turns = ("the weather, please", Message("tool", [ToolResultPart("call_1", "rain")]))
        got = await items(asked(*turns, tools=[WEATHER], scenario={"tool_call": True}))
        assert finish_of(got) == "stop"
        assert "“rain”" in text_of(got)

    @pytest.mark.parametrize(
        "settings", [{"tool_choice": NamedTool("other"), "tools": [WEATHER]}, {"tool_choice": "required"}]
    )
    async def test_a_tool_that_is_not_there_is_refused(self, settings: dict[str, Any]) -> None:
        with pytest.raises(BadRequestError):
            Simulated().check(asked("a", **settings))


class TestScript:
    @pytest.mark.parametrize("delay_ms", [0, 0.01])
    @pytest.mark.parametrize("after", [0, 1, 7])
    @pytest.mark.parametrize("code", ["SERVER", "RATE_LIMIT", "OVERLOADED"])
    async def test_it_fails_after_exactly_so_many_pieces(self, delay_ms: float, after: int, code: FailCode) -> None:
        scenario = {"fail_after": after, "fail_code": code, "retry_after_ms": 1500}
        whole = await items(asked("a"))
        got, error = await until_failure(asked("a", scenario=scenario, delay_ms=delay_ms))
        assert got == whole[:after]
        assert (error.code, error.retry_after_ms) == (ErrorCode(code), 1500)

    async def test_it_is_cut_off_after_exactly_so_many_pieces(self) -> None:
        got, error = await until_failure(asked("a", scenario={"truncate_after": 4}))
        assert len(got) == 4
        assert isinstance(error, Truncated)

    @pytest.mark.parametrize("delay_ms", [0, 0.01])
    @pytest.mark.parametrize("after", [0, 3])
    async def test_a_stall_lasts_until_it_is_cancelled(self, delay_ms: float, after: int) -> None:
        got: list[Item] = []
        loop = asyncio.get_running_loop()
        stalled = asyncio.Event()

        async def read() -> None:
            async for batch in Simulated().stream(
                asked("a", scenario={"stall_after": after}, delay_ms=delay_ms), connect_s=None
            ):
                got.extend(batch)
                if len(got) == after:
                    loop.call_later(0, stalled.set)

        reading = asyncio.create_task(read())
        await stalled.wait()
        for _ in range(20):
            await asyncio.sleep(0)  # paces: turns of the loop in which nothing may happen
        assert not reading.done()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert len(got) == after

    async def test_finish_can_be_chosen(self) -> None:
        assert finish_of(await items(asked("a", scenario={"finish": "content_filter"}))) == "content_filter"

    async def test_a_count_past_the_end_changes_nothing(self) -> None:
        assert await items(asked("a", scenario={"fail_after": 100_000})) == await items(asked("a"))

    @pytest.mark.parametrize(
        "scenario",
        [
            {"unheard_of": 1},
            {"words": -1},
            {"words": 10**9},
            {"words": "many"},
            {"delay_ms": [30, 10]},
            {"delay_ms": -1},
            {"delay_ms": 1e9},
            {"silent_s": -0.5},
            {"fail_after": 1, "fail_code": "STORAGE"},
            {"format": "html"},
            {"finish": "tired"},
        ],
        ids=str,
    )
    async def test_a_script_that_can_not_be_understood_is_refused(self, scenario: dict[str, Any]) -> None:
        request = asked("a")
        settings = msgspec.structs.replace(request.settings, extra={"simulated": scenario})
        with pytest.raises(BadRequestError) as caught:
            Simulated().check(msgspec.structs.replace(request, settings=settings))
        assert str(caught.value.extra["pointer"]).startswith("/settings/extra/simulated")

    async def test_what_is_said_to_other_providers_is_none_of_its_business(self) -> None:
        request = GenerationRequest("simulated", [], Settings(extra={"openai": {"unheard_of": 1}}))
        Simulated().check(request)


class TestLength:
    """However long the answer is, nobody else waits for it to be made."""

    LONGEST: ClassVar[dict[str, Any]] = {"words": 100_000, "delay_ms": 0}

    def test_more_is_refused(self) -> None:
        with pytest.raises(BadRequestError):
            Simulated().check(asked("a", scenario={"words": 100_001}))

    def test_a_check_makes_no_answer(self) -> None:
        tracemalloc.start()
        try:
            Simulated().check(asked("a", scenario=self.LONGEST))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 256 * 1024

    async def test_a_long_answer_is_made_beside_the_loop(self) -> None:
        stream = Simulated().stream(asked("a", scenario=self.LONGEST), connect_s=None)
        begun = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)  # paces: one turn of the loop, in which an answer made on it would be there
        assert not begun.done()
        assert await begun == []
        made = [item async for batch in stream for item in batch]
        assert text_of(made) == text_of(list(compose(asked("a", scenario=self.LONGEST)).pieces))


class TestPace:
    async def test_headers_come_first(self) -> None:
        first = await anext(Simulated().stream(asked("a"), connect_s=None))
        assert first == []

    async def test_without_delay_many_pieces_leave_together(self) -> None:
        batches = [b async for b in Simulated().stream(asked("a", scenario={"words": 1000}), connect_s=None)]
        assert len(batches) < 30

    def test_words_come_one_by_one_10_to_30_ms_apart(self) -> None:
        request = GenerationRequest("simulated", [Message("user", "a")])
        told = run_virtual(_timed(request))
        (begun, headers), *words, (ended, last) = told
        assert (begun, headers) == (0, [])
        assert [len(batch) for _, batch in words] == [1] * len(compose(request).pieces)
        gaps = [later - sooner for (sooner, _), (later, _) in pairwise([(begun, headers), *words])]
        assert all(0.010 <= gap <= 0.030 for gap in gaps)
        assert max(gaps) - min(gaps) > 0.01, "the pace varies"
        assert isinstance(last[-1], Finish)
        assert ended == words[-1][0], "after the last word nothing is waited for"
        assert run_virtual(_timed(request)) == told, "the pace is the seed's too"

    def test_silence_comes_before_the_first_word(self) -> None:
        (begun, _), (first, _), *_ = run_virtual(_timed(asked("a", scenario={"silent_s": 90})))
        assert (begun, first) == (0, 90)

    async def test_a_cancel_ends_it_at_once(self) -> None:
        reading = asyncio.create_task(_drain(asked("a", scenario={"silent_s": 3_600})))
        await asyncio.sleep(0)  # paces: the turn in which the call begins
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def _drain(request: GenerationRequest) -> None:
    async for _ in Simulated().stream(request, connect_s=None):
        pass


async def _timed(request: GenerationRequest) -> list[tuple[float, list[Item]]]:
    """Each batch with the loop's time since the call, in seconds."""
    now = asyncio.get_running_loop().time
    begun = now()
    return [(round(now() - begun, 9), batch) async for batch in Simulated().stream(request, connect_s=None)]


class TestWhatAScriptSays:
    """The answer that a request brings with it."""

    async def test_it_is_said_as_it_stands(self) -> None:
        says = '{\n  "grid": [\n    [0,1,2],\n    [3,4,5]\n  ]\n}'
        got = await items(asked(scenario={"says": says, "reasons": "Rows of three. "}, json_schema={"type": "object"}))
        assert text_of(got) == says
        assert "".join(item.content for item in got if isinstance(item, Reasoning)) == "Rows of three. "
        # a row comes as a piece
        assert "\n    [0,1,2]," in [item.content for item in got if isinstance(item, Chunk)]

    async def test_no_words_are_no_answer(self) -> None:
        got = await items(asked(scenario={"says": "", "reasons": ""}, reasoning_effort="high"))
        assert not [item for item in got if isinstance(item, Chunk | Reasoning)]
        assert isinstance(got[-1], Finish)

    async def test_reasoning_can_be_left_out_all_the_same(self) -> None:
        got = await items(asked(scenario={"says": "Yes.", "reasons": "Hm.", "reasoning": False}))
        assert not [item for item in got if isinstance(item, Reasoning)]

    async def test_faults_and_limits_hold_for_it_too(self) -> None:
        got, error = await until_failure(asked(scenario={"says": "one two three", "fail_after": 2}))
        assert (text_of(got), error.code) == ("one two", ErrorCode.SERVER)
        assert text_of(await items(asked(scenario={"says": "one two three"}, max_tokens=1))) == "one"
        assert text_of(await items(asked(scenario={"says": "one two three"}, stop=["two"]))) == "one "

    async def test_a_long_one_is_whole(self) -> None:
        says = "word " * 30_000
        assert text_of(await items(asked(scenario={"says": says}))) == says

    def test_one_that_is_too_long_is_refused(self) -> None:
        with pytest.raises(BadRequestError):
            compose(asked(scenario={"says": "x" * 200_001}))
