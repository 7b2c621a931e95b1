"""The decoder, frame by frame: blocks, ends, what may come without notice, and what is refused."""

import json
import random
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import Annotation, Chunk, ProviderData, Reasoning, Refusal, ToolCall, UsageReport
from headwater.domain.message import GenerationRequest, Message, Settings, Usage
from headwater.errors import BadRequestError, ErrorCode, ProviderError, Truncated
from headwater.providers.anthropic import FINISH_REASONS, VERSION, Anthropic, Quirks
from headwater.providers.contract import Decoder, Finish, Frame, Framing, Item
from headwater.testing.dialect import check_dialect
from tests.providers.messages_ends import messages_ends

FIXTURES = Path(__file__).parent / "fixtures"
REQUEST = GenerationRequest("claude-opus-5-5", [Message("user", "Hello")])
STOP = {"type": "message_stop"}


def decoder() -> Decoder:
    return Anthropic(Quirks(provider_name="acme")).decoder(REQUEST)


def frame(value: dict[str, Any] | bytes, event: str = "") -> Frame:
    return Frame(value if isinstance(value, bytes) else json.dumps(value).encode(), event)


def fed(*frames: dict[str, Any] | bytes) -> list[Item]:
    """Everything that comes of these frames and the end of the body."""
    reader = decoder()
    items = [item for each in frames for item in reader.feed(frame(each))]
    return items + reader.end(True)


def failure(*frames: dict[str, Any] | bytes, event: str = "") -> ProviderError:
    """The error that the last of these frames is."""
    reader = decoder()
    for each in frames[:-1]:
        reader.feed(frame(each))
    with pytest.raises(ProviderError) as caught:
        reader.feed(frame(frames[-1], event))
    assert caught.value.provider == "acme"
    return caught.value


def begun(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def stopped(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ended(reason: str | None, **members: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **members}}


class TestOwnStreams:
    def test_text_thinking_and_tools(self, seeded: random.Random) -> None:
        body = (FIXTURES / "messages.sse").read_bytes()
        decoded = check_dialect(Anthropic(), body, messages_ends(body), rng=seeded)
        assert decoded.items == [
            UsageReport(Usage(112, 100, 1, 0, None, "estimated", cache_write_tokens=5)),
            Reasoning("Hm. ", 0),
            Reasoning("Grüße?", 0),
            ProviderData("anthropic", {"type": "thinking", "thinking": "Hm. Grüße?", "signature": "c2ln"}),
            Chunk("Grüße", 1),
            Chunk(" 👋🏽\n", 1),
            ToolCall("toolu_a", "look", ""),
            ToolCall("toolu_a", "look", '{"at":'),
            ToolCall("toolu_a", "look", '"sea"}'),
            ToolCall("toolu_a", "look", "", done=True),
            ToolCall("toolu_b", "wait", "", index=1),
            ToolCall("toolu_b", "wait", "{}", done=True, index=1),
            UsageReport(Usage(112, 100, 40, 7, cache_write_tokens=5)),
            Finish("tool_calls", "tool_use"),
        ]

    def test_an_error_in_mid_stream(self, seeded: random.Random) -> None:
        body = (FIXTURES / "messages_error_in_mid_stream.sse").read_bytes()
        decoded = check_dialect(Anthropic(), body, messages_ends(body), rng=seeded)
        assert decoded.items[-1] == Chunk("The run", 0)
        assert decoded.error is not None
        assert (decoded.error.code, decoded.error.detail) == (ErrorCode.OVERLOADED, "overloaded_error Overloaded")


class TestRequest:
    def test_a_dialect_of_sse(self) -> None:
        assert (Anthropic.name, Anthropic().framing, Anthropic().quirks) == ("anthropic", Framing.SSE, Quirks())

    def test_where_it_goes(self) -> None:
        request = Anthropic().request(REQUEST)
        assert (request.method, request.path) == ("POST", "/messages")
        assert request.headers == {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "anthropic-version": VERSION,
        }

    def test_it_can_be_asked_for_in_one_piece(self) -> None:
        request = Anthropic().request(msgspec.structs.replace(REQUEST, stream=False))
        assert json.loads(request.body)["stream"] is False
        assert request.headers["Accept"] == "application/json"
        assert Anthropic.answers_whole

    def test_betas_go_into_a_header(self) -> None:
        settings = Settings(extra={"anthropic": {"betas": ["mcp-client-2025-11-20", "files-api-2025-04-14"]}})
        request = Anthropic().request(GenerationRequest("claude-opus-5-5", [Message("user", "Hello")], settings))
        assert request.headers["anthropic-beta"] == "mcp-client-2025-11-20,files-api-2025-04-14"
        assert b"betas" not in request.body

    @pytest.mark.parametrize("betas", ["x", [1], ["a\r\nx-api-key: b"], [""], {}])
    def test_betas_are_names(self, betas: Any) -> None:
        settings = Settings(extra={"anthropic": {"betas": betas}})
        with pytest.raises(BadRequestError) as caught:
            Anthropic().request(GenerationRequest("claude-opus-5-5", [Message("user", "Hello")], settings))
        assert caught.value.extra == {"pointer": "/settings/extra/anthropic/betas"}


class TestBlocks:
    def test_a_block_may_begin_with_what_it_holds(self) -> None:
        assert fed(
            begun(0, type="thinking", thinking="Hm", signature="c2ln"),
            stopped(0),
            begun(1, type="text", text="Yes", citations=[{"cited_text": "y"}]),
            stopped(1),
            begun(2, type="tool_use", id="a", name="look", input={"at": "sea"}),
            stopped(2),
            STOP,
        ) == [
            Reasoning("Hm", 0),
            ProviderData("acme", {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}),
            Chunk("Yes", 1),
            Annotation("acme", {"cited_text": "y"}, 1),
            ToolCall("a", "look", ""),
            ToolCall("a", "look", '{"at":"sea"}', done=True),
            Finish("tool_calls"),
        ]

    def test_thinking_that_is_withheld_has_a_signature_only(self) -> None:
        frames = begun(0, type="thinking", thinking=""), more(0, "signature_delta", signature="c2ln"), stopped(0)
        assert fed(*frames, STOP)[:-1] == [
            ProviderData("acme", {"type": "thinking", "thinking": "", "signature": "c2ln"})
        ]

    def test_thinking_without_a_signature_does_not_go_back(self) -> None:
        frames = begun(0, type="thinking", thinking=""), more(0, "thinking_delta", thinking="Hm"), stopped(0)
        assert fed(*frames, STOP)[:-1] == [Reasoning("Hm", 0)]

    def test_what_is_not_for_people_goes_back(self) -> None:
        assert fed(
            begun(0, type="redacted_thinking", data="ZGF0YQ=="),
            stopped(0),
            begun(1, type="compaction", content=None),
            more(1, "compaction_delta", content="They asked.", encrypted_content="ZW5j"),
            stopped(1),
            ended("end_turn", container={"id": "container_1", "expires_at": "2026-11-21T10:00:00Z"}),
            STOP,
        ) == [
            ProviderData("acme", {"type": "redacted_thinking", "data": "ZGF0YQ=="}, 0),
            ProviderData("acme", {"type": "compaction", "content": "They asked.", "encrypted_content": "ZW5j"}, 1),
            ProviderData("acme", {"container": {"id": "container_1", "expires_at": "2026-11-21T10:00:00Z"}}),
            Finish("stop", "end_turn"),
        ]

    def test_server_tools_and_unknown_blocks_are_told_whole(self) -> None:
        call = {"type": "server_tool_use", "id": "s", "name": "web_search"}
        result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "https://example.com"}]}
        assert fed(
            begun(0, **call, input={}),
            more(0, "input_json_delta", partial_json='{"query":'),
            more(0, "input_json_delta", partial_json='"sea"}'),
            stopped(0),
            begun(1, **result),
            stopped(1),
            begun(2, type="hologram", depth=3),
            more(2, "hologram_delta", photons=[1]),
            stopped(2),
            STOP,
        )[:-1] == [
            Annotation("acme", {**call, "input": {"query": "sea"}}, 0),
            Annotation("acme", result, 1),
            Annotation("acme", {"type": "hologram", "depth": 3}, 2),
        ]

    def test_citations_come_with_their_part(self) -> None:
        citation = {"type": "char_location", "cited_text": "The sea"}
        frames = begun(0, type="text", text="", citations=[]), more(0, "citations_delta", citation=citation)
        assert fed(*frames, more(0, "text_delta", text="Sea."), STOP)[:-1] == [
            Annotation("acme", citation, 0),
            Chunk("Sea.", 0),
        ]

    def test_the_input_of_a_server_tool_may_be_cut_off(self) -> None:
        frames = begun(0, type="server_tool_use", id="s"), more(0, "input_json_delta", partial_json='{"q')
        (annotation, _) = fed(*frames, stopped(0), STOP)
        assert annotation == Annotation("acme", {"type": "server_tool_use", "id": "s", "input": '{"q'}, 0)

    def test_calls_have_ids_of_their_own(self) -> None:
        calls = [begun(at, type="tool_use", name="look", **given) for at, given in enumerate([{}, {"id": "a"}] * 2)]
        ids = {item.id for item in fed(*calls, STOP) if isinstance(item, ToolCall)}
        assert ids == {"toolu_0", "a", "toolu_2", "a_3"}

    def test_a_block_that_is_never_stopped_ends_with_the_message(self) -> None:
        items = fed(begun(0, type="tool_use", id="a", name="look"), STOP)
        assert items == [ToolCall("a", "look", ""), ToolCall("a", "look", "{}", done=True), Finish("tool_calls")]

    def test_a_block_begun_twice_is_two(self) -> None:
        frame = begun(0, type="tool_use", id="a", name="look")
        assert len({item.id for item in fed(frame, frame, STOP) if isinstance(item, ToolCall)}) == 2

    def test_only_so_many_are_open_at_once(self) -> None:
        starts = [begun(at, type="hologram") for at in range(257)]
        assert len(fed(*starts[:-1], STOP)) == 257
        assert failure(*starts).code is ErrorCode.PARSE
        one_after_another = [each for at in range(300) for each in (begun(at, type="hologram"), stopped(at))]
        assert len(fed(*one_after_another, STOP)) == 301

    def test_deltas_without_a_block_are_read_where_they_say_enough(self) -> None:
        frames = more(0, "text_delta", text="a"), more(1, "thinking_delta", thinking="b")
        assert fed(*frames, more(2, "input_json_delta", partial_json="{"), stopped(9), STOP)[:-1] == [
            Chunk("a", 0),
            Reasoning("b", 1),
        ]


class TestLargeValues:
    """A record holds 256 KiB; what is too long in a block is left out of it."""

    LARGE = "x" * (200 * 1024)

    def test_a_large_result(self) -> None:
        result = {"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {"title": "Sea", "data": self.LARGE}}
        (annotation, _) = fed(begun(0, **result), STOP)
        assert isinstance(annotation, Annotation)
        # a null stands where the long text with its quotes stood
        omitted = len(self.LARGE) + 2 - 4
        assert annotation.value == {**result, "content": {"title": "Sea", "data": None}, "omitted_bytes": omitted}

    @pytest.mark.parametrize(
        "block",
        [{"type": "thinking", "thinking": LARGE, "signature": "c2ln"}, {"type": "compaction", "content": LARGE}],
    )
    def test_what_goes_back_goes_whole_or_not_at_all(self, block: dict[str, Any]) -> None:
        items = fed(begun(0, **block), stopped(0), STOP)
        assert not any(isinstance(item, ProviderData) for item in items)


class TestEnds:
    @pytest.mark.parametrize("word", [*FINISH_REASONS, "a_new_one"])
    def test_reasons(self, word: str) -> None:
        assert fed(ended(word), STOP) == [Finish(FINISH_REASONS.get(word, "stop"), word)]

    def test_without_a_reason(self) -> None:
        assert fed(ended(None), STOP) == [Finish("stop")]

    def test_whole_only_at_message_stop(self) -> None:
        reader = decoder()
        reader.feed(frame(ended("end_turn")))
        assert reader.ended is False
        with pytest.raises(Truncated) as caught:
            reader.end(True)
        assert caught.value.detail == "the stream ended with a stop reason, and without message_stop"
        reader.feed(frame(STOP))
        assert [reader.ended, *reader.feed(frame(more(0, "text_delta", text="late")))] == [True]
        assert reader.end(False) == [Finish("stop", "end_turn")]
        assert reader.end(True) == []

    def test_an_explained_refusal(self) -> None:
        details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
        assert fed(ended("refusal", stop_details=details), STOP) == [
            Refusal("Not this.", 0),
            Finish("refusal", "refusal"),
        ]

    @pytest.mark.parametrize("details", [None, 7, {}, {"explanation": None}, {"explanation": ["x"]}])
    def test_a_refusal_without_words(self, details: Any) -> None:
        assert fed(ended("refusal", stop_details=details), STOP) == [Finish("refusal", "refusal")]


class TestWholeMessages:
    MESSAGE: ClassVar[dict[str, Any]] = {
        "type": "message",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
            {"type": "text", "text": "Yes 👋"},
            {"type": "tool_use", "id": "a", "name": "look", "input": {}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }

    def test_a_server_that_does_not_stream(self) -> None:
        assert fed(self.MESSAGE) == [
            Reasoning("Hm", 0),
            ProviderData("acme", {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}),
            Chunk("Yes 👋", 1),
            ToolCall("a", "look", ""),
            ToolCall("a", "look", "{}", done=True),
            UsageReport(Usage(3, 0, 5)),
            Finish("tool_calls", "tool_use"),
        ]

    def test_without_a_reason_it_is_not_whole(self) -> None:
        with pytest.raises(Truncated):
            fed({**self.MESSAGE, "stop_reason": None})

    @pytest.mark.parametrize("wrong", [{"content": 7}, {"stop_reason": []}])
    def test_a_message_that_is_none(self, wrong: dict[str, Any]) -> None:
        assert failure({**self.MESSAGE, **wrong}).code is ErrorCode.PARSE

    def test_a_stream_may_begin_with_all_of_it(self) -> None:
        message = {**self.MESSAGE, "content": self.MESSAGE["content"][2:]}
        assert fed({"type": "message_start", "message": message}, STOP) == [
            ToolCall("a", "look", ""),
            ToolCall("a", "look", "{}", done=True),
            UsageReport(Usage(3, 0, 5, source="estimated")),
            UsageReport(Usage(3, 0, 5)),
            Finish("tool_calls", "tool_use"),
        ]


class TestErrors:
    @pytest.mark.parametrize(
        ("value", "code"),
        [
            ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ErrorCode.OVERLOADED),
            ({"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}, ErrorCode.RATE_LIMIT),
            ({"type": "error", "error": {"type": "api_error", "message": "x"}}, ErrorCode.SERVER),
            ({"type": "error", "error": {"type": "timeout_error", "message": "x"}}, ErrorCode.TIMEOUT),
            ({"type": "error", "error": {"type": "billing_error", "message": "x"}}, ErrorCode.BUDGET),
            ({"type": "error", "error": {"type": "authentication_error", "message": "x"}}, ErrorCode.AUTH),
            ({"type": "error", "error": {"type": "invalid_request_error", "message": "x"}}, ErrorCode.BAD_REQUEST),
            (
                {
                    "type": "error",
                    "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"},
                },
                ErrorCode.CONTEXT_LENGTH,
            ),
            ({"type": "error"}, ErrorCode.SERVER),
            ({"error": {"type": "server_error", "message": "llama"}}, ErrorCode.SERVER),
            ({"detail": "not this"}, ErrorCode.SERVER),
            (b'{"type":"error","error":{"type":"overloaded_error","message":"\\ud800"}}', ErrorCode.OVERLOADED),
        ],
    )
    def test_code(self, value: dict[str, Any] | bytes, code: ErrorCode) -> None:
        assert failure(value).code is code

    def test_the_event_says_so(self) -> None:
        assert failure({"message": "x"}, event="error").code is ErrorCode.SERVER
        assert failure(b"not JSON", event="error").code is ErrorCode.SERVER

    @pytest.mark.parametrize("data", [b"{", b"7", b"[]", b'"x"', b'{"type":"message_stop"', b"\xff"])
    def test_what_can_not_be_read(self, data: bytes) -> None:
        error = failure(data)
        assert error.code is ErrorCode.PARSE
        assert error.detail == f"a frame of {len(data)} bytes is not an event of a message"

    def test_a_delta_of_another_shape(self) -> None:
        assert failure(more(0, "text_delta", text=7)).code is ErrorCode.PARSE
        assert failure({**more(0, "text_delta", text="x"), "index": -1}).code is ErrorCode.PARSE


@pytest.mark.parametrize(
    ("value", "event"),
    [
        ({"type": "ping"}, "ping"),
        ({"type": "future_event", "detail": {"a": 1}}, "future_event"),
        ({"type": "future_event", "index": "x", "delta": 7}, ""),
        ({"type": "content_block_delta", "index": 0, "delta": {"type": "future_delta", "text": "x"}}, ""),
        ({"type": "content_block_delta", "index": 0}, ""),
        ({"type": "content_block_start", "index": 0, "content_block": {"type": 7}}, ""),
        ({"type": "content_block_start", "index": 0}, ""),
        ({"type": "message_start"}, ""),
        ({"type": "message_delta"}, ""),
        ({}, ""),
        (b"", ""),
        (b" \n", ""),
        (b"[DONE]", ""),
        (b"not JSON", "future_event"),
    ],
)
def test_what_says_nothing_passes(value: dict[str, Any] | bytes, event: str) -> None:
    reader = decoder()
    assert reader.feed(frame(value, event)) == []
    assert not reader.ended
    assert reader.feed(frame(more(0, "text_delta", text="on"))) == [Chunk("on", 0)]


class TestSurrogates:
    """JSON can say half a pair, and a provider may send the other half with the next delta."""

    @staticmethod
    def raw(value: dict[str, Any]) -> bytes:
        return json.dumps(value).encode()

    def test_halves_come_together_in_every_kind_of_text(self) -> None:
        deltas = [
            more(at, kind, **{name: half})
            for half in ("a\ud83d", "\ude00b")
            for at, (kind, name) in enumerate(
                [("text_delta", "text"), ("thinking_delta", "thinking"), ("input_json_delta", "partial_json")]
            )
        ]
        starts = [begun(2, type="tool_use", id="a", name="look")]
        items = fed(*starts, *deltas, STOP)
        texts = [item.content for item in items if isinstance(item, Chunk | Reasoning)]
        assert texts == ["a", "a", "😀b", "😀b"]
        assert [item.arguments for item in items if isinstance(item, ToolCall)] == ["", "a", "😀b", ""]

    def test_a_half_that_stays_alone(self) -> None:
        frames = begun(0, type="text", text=""), more(0, "text_delta", text="a\ud83d"), stopped(0)
        assert fed(*frames, STOP)[:-1] == [Chunk("a", 0), Chunk("\ufffd", 0)]
        assert fed(more(0, "thinking_delta", thinking="\ud83d"), STOP)[:-1] == [Reasoning("\ufffd", 0)]
        broken = begun(0, type="tool_use", id="a", name="\ud83d"), more(0, "input_json_delta", partial_json="\ud83d")
        assert fed(*broken, stopped(0), STOP)[:-1] == [
            ToolCall("a", "\ufffd", ""),
            ToolCall("a", "\ufffd", "\ufffd"),
            ToolCall("a", "\ufffd", "", done=True),
        ]

    def test_values_are_mended(self) -> None:
        assert fed(begun(0, type="hologram", words=["\ud83d"]), STOP)[0] == Annotation(
            "acme", {"type": "hologram", "words": ["\ufffd"]}, 0
        )
        message = {**TestWholeMessages.MESSAGE, "content": [{"type": "text", "text": "\ud83d"}]}
        assert fed(message)[0] == Chunk("\ufffd", 0)

    @given(st.text(st.sampled_from("ab😀\ud83d\ude00"), max_size=8), st.integers(0, 8))
    def test_any_cut(self, text: str, at: int) -> None:
        whole = fed(begun(0, type="text", text=""), more(0, "text_delta", text=text), stopped(0), STOP)
        parts = [more(0, "text_delta", text=piece) for piece in (text[:at], text[at:])]
        cut = fed(begun(0, type="text", text=""), *parts, stopped(0), STOP)
        assert _text(cut) == _text(whole)


def _text(items: list[Item]) -> str:
    return "".join(item.content for item in items if isinstance(item, Chunk))
