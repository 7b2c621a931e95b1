"""The decoder on what the recordings do not have."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from headwater.domain.event import Annotation, Chunk, ProviderData, Reasoning, ToolCall, UsageReport
from headwater.domain.message import GenerationRequest, Message, Settings, Usage
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Finish, Frame, Framing, Item
from headwater.providers.gemini import FAILURES, FINISH_REASONS, Gemini, GeminiDecoder, GeminiQuirks
from headwater.testing.dialect import check_dialect, decode_pieces
from tests.providers.gemini_ends import gemini_ends

FIXTURES = Path(__file__).parent / "fixtures"
REQUEST = GenerationRequest("model", [Message("user", "Hello")])


def candidate(*parts: Any, finish: Any = None, **more: Any) -> dict[str, Any]:
    """A response of one candidate, as it stands in a frame."""
    found: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0, **more}
    if finish is not None:
        found["finishReason"] = finish
    return {"candidates": [found]}


def run(*responses: dict[str, Any] | str, clean: bool = True, settings: Settings | None = None) -> list[Item]:
    """What these frames come to, to the end."""
    decoder = Gemini().decoder(GenerationRequest("model", REQUEST.messages, settings or Settings()))
    items: list[Item] = []
    for response in responses:
        text = response if isinstance(response, str) else json.dumps(response)
        items += decoder.feed(Frame(text.encode()))
        assert not decoder.ended
    items += decoder.end(clean)
    assert decoder.end(clean) == []
    return items


def failing(*responses: dict[str, Any] | str, clean: bool = True) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        run(*responses, clean=clean)
    assert caught.value.provider == "gemini"
    return caught.value


STOP = candidate(finish="STOP")


@pytest.mark.parametrize(
    ("name", "finish"),
    [
        ("gemini.sse", Finish("tool_calls", "STOP")),
        ("gemini.json", Finish("tool_calls", "STOP")),
        ("gemini_blocked.sse", Finish("content_filter", "SAFETY")),
        ("gemini_error_in_mid_stream.sse", None),
    ],
)
def test_laws(name: str, finish: Finish | None, seeded: random.Random) -> None:
    events = name.endswith(".sse")
    body = (FIXTURES / name).read_bytes()
    decoded = check_dialect(Gemini(GeminiQuirks(events=events)), body, gemini_ends(body, events=events), rng=seeded)
    assert decoded.completed is (finish is not None)
    if finish is not None:
        assert decoded.items[-1] == finish


def test_both_forms_come_to_the_same() -> None:
    events = decode_pieces(Gemini(), [(FIXTURES / "gemini.sse").read_bytes()], clean=True)
    array = decode_pieces(Gemini(GeminiQuirks(events=False)), [(FIXTURES / "gemini.json").read_bytes()], clean=True)
    assert events == array
    assert len(events.items) == 16


def test_text_and_thoughts() -> None:
    items = run(candidate({"text": "Hm.", "thought": True}, {"text": "Hel"}), candidate({"text": "lo"}, finish="STOP"))
    assert items == [Reasoning("Hm.", 0), Chunk("Hel", 0), Chunk("lo", 0), Finish("stop", "STOP")]


def test_signatures_say_what_they_belong_to() -> None:
    items = run(
        candidate(
            {"text": "Hm.", "thought": True, "thoughtSignature": "a"},
            {"text": "Hello", "thoughtSignature": "b"},
            {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c"},
            {"text": "", "thoughtSignature": "d"},
            {"thoughtSignature": "e", "toolCall": {"id": "t"}},
            finish="STOP",
        )
    )
    assert [item.value for item in items if isinstance(item, ProviderData)] == [
        {"text": "", "thought": True, "thoughtSignature": "a"},
        {"text": "", "thoughtSignature": "b"},
        {"functionCall": {"id": "call_0"}, "thoughtSignature": "c"},
        {"text": "", "thoughtSignature": "d"},
        {"toolCall": {"id": "t"}, "thoughtSignature": "e"},
    ]
    assert [type(item) for item in items[:3]] == [Reasoning, ProviderData, Chunk]
    assert items[-1] == Finish("tool_calls", "STOP")


def test_what_google_ran_is_told_and_kept() -> None:
    code, result = {"language": "PYTHON", "code": "1+1"}, {"outcome": "OUTCOME_OK", "output": "2\n"}
    picture = {"mimeType": "image/png", "data": "QUJD"}
    items = run(
        candidate({"executableCode": code}, {"codeExecutionResult": result}, {"inlineData": picture}, finish="STOP")
    )
    assert items == [
        Annotation("gemini", {"executableCode": code}),
        ProviderData("gemini", {"executableCode": code}),
        Annotation("gemini", {"codeExecutionResult": result}),
        ProviderData("gemini", {"codeExecutionResult": result}),
        Annotation("gemini", {"inlineData": picture}),
        Finish("stop", "STOP"),
    ]


def test_a_picture_that_fits_no_record_is_told_of_without_its_content() -> None:
    items = run(candidate({"inlineData": {"mimeType": "image/png", "data": "A" * 300_000}}, finish="STOP"))
    told: Item
    told, _ = items
    assert isinstance(told, Annotation)
    assert told.value["inlineData"] == {"mimeType": "image/png", "data": None}
    assert told.value["omitted_bytes"] > 299_000
    large = {"toolResponse": {"response": {"page": "A" * 300_000}}}
    told, *rest = run(candidate(large, finish="STOP"))
    assert isinstance(told, Annotation)
    assert rest == [Finish("stop", "STOP")]


def test_a_signature_that_fits_no_record_is_left_out() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}, "thoughtSignature": "A" * 300_000}
    items = run(candidate({"text": "Here", "thoughtSignature": "A" * 300_000}, picture, finish="STOP"))
    assert items == [
        Chunk("Here", 0),
        Annotation("gemini", {"inlineData": picture["inlineData"]}),
        Finish("stop", "STOP"),
    ]


def test_sources_are_told_when_they_change() -> None:
    one, two = {"citationSources": [{"uri": "a"}]}, {"citationSources": [{"uri": "b"}]}
    grounding = {"webSearchQueries": ["x"]}
    items = run(
        candidate({"text": "a"}, citationMetadata=one),
        candidate({"text": "b"}, citationMetadata=one),
        candidate({"text": "c"}, finish="STOP", citationMetadata=two, groundingMetadata=grounding),
    )
    assert [item.value for item in items if isinstance(item, Annotation)] == [
        {"citationMetadata": one},
        {"citationMetadata": two},
        {"groundingMetadata": grounding},
    ]


@pytest.mark.parametrize(("word", "reason"), FINISH_REASONS.items())
def test_finish_reasons(word: str, reason: Any) -> None:
    assert run(candidate({"text": "x"}, finish=word))[-1] == Finish(reason, word)


@pytest.mark.parametrize(("word", "code"), FAILURES.items())
def test_words_that_are_failures(word: str, code: ErrorCode) -> None:
    error = failing(candidate({"text": "x"}), {"candidates": [{"finishReason": word, "finishMessage": "in detail"}]})
    assert error.code is code
    assert word in error.detail
    assert "in detail" in error.detail


@pytest.mark.parametrize(
    ("number", "finish"),
    [
        (1, Finish("stop", "STOP")),
        (2, Finish("length", "MAX_TOKENS")),
        (3, Finish("content_filter", "SAFETY")),
        (77, Finish("stop", "77")),
        ("NEVER_SEEN", Finish("stop", "NEVER_SEEN")),
    ],
)
def test_reasons_by_number_and_new_ones(number: Any, finish: Finish) -> None:
    assert run(candidate({"text": "x"}, finish=number))[-1] == finish


@pytest.mark.parametrize("word", [0, "", "FINISH_REASON_UNSPECIFIED", None])
def test_no_reason_is_none(word: Any) -> None:
    assert isinstance(failing(candidate({"text": "x"}, finish=word)), Truncated)


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "NEVER_SEEN"])
def test_a_blocked_prompt(reason: str) -> None:
    usage = {"promptTokenCount": 5, "totalTokenCount": 5}
    assert run({"promptFeedback": {"blockReason": reason}, "usageMetadata": usage}) == [
        UsageReport(Usage(5)),
        Finish("content_filter", reason),
    ]


def test_ratings_of_a_prompt_that_was_not_blocked_are_no_end() -> None:
    feedback: dict[str, Any] = {"promptFeedback": {"safetyRatings": []}}
    assert isinstance(failing(feedback), Truncated)
    assert run(feedback, STOP)[-1] == Finish("stop", "STOP")


class TestWhole:
    """PROTOCOL, "when a provider's stream is whole"."""

    def test_a_finish_reason_and_a_clean_end(self) -> None:
        assert run(STOP)[-1] == Finish("stop", "STOP")
        assert isinstance(failing(STOP, clean=False), Truncated)
        assert isinstance(failing(), Truncated)

    def test_content_after_it_takes_it_back(self) -> None:
        more = candidate({"text": "x"})
        assert isinstance(failing(STOP, more), Truncated)
        assert run(STOP, more, STOP)[-1] == Finish("stop", "STOP")

    @pytest.mark.parametrize(
        "after", [{"usageMetadata": {"trafficType": "ON_DEMAND"}}, {"modelVersion": "x"}, {"candidates": []}, " ", "{}"]
    )
    def test_what_is_no_content_does_not(self, after: Any) -> None:
        assert run(STOP, after)[-1] == Finish("stop", "STOP")

    def test_a_frame_that_can_not_be_read_does(self) -> None:
        decoder = Gemini().decoder(REQUEST)
        decoder.feed(Frame(json.dumps(STOP).encode()))
        with pytest.raises(ProviderError) as caught:
            decoder.feed(Frame(b'{"candidates": [{"cont'))
        assert caught.value.code is ErrorCode.PARSE
        with pytest.raises(Truncated):
            decoder.end(True)

    def test_an_array_needs_its_bracket(self) -> None:
        dialect = Gemini(GeminiQuirks(events=False))
        assert (dialect.framing, Gemini().framing) == (Framing.JSON_ARRAY, Framing.SSE)
        array = json.dumps([candidate({"text": "x"}), STOP]).encode()
        assert decode_pieces(dialect, [array], clean=True).completed
        for cut in (array[:-1], array[:-2], b"[", b"[]"):
            assert not decode_pieces(dialect, [cut], clean=True).completed

    def test_a_whole_answer_in_one_piece(self) -> None:
        whole = json.dumps(candidate({"text": "Hello"}, finish="STOP")).encode()
        for dialect in (Gemini(), Gemini(GeminiQuirks(events=False))):
            body = whole if dialect.framing is Framing.JSON_ARRAY else b"data: " + whole + b"\n\n"
            decoded = decode_pieces(dialect, [body], clean=True)
            assert decoded.items == [Chunk("Hello", 0), Finish("stop", "STOP")]


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"code": 503, "status": "UNAVAILABLE", "message": "overloaded"}},
        '{\n  "error": {\n    "code": 503,\n    "status": "UNAVAILABLE"\n  }\n}\n',
        '[{"error": {"code": 503, "status": "UNAVAILABLE"}}]',
        {"message": "overloaded", "code": 503},
    ],
)
def test_an_error_in_mid_stream(error: Any) -> None:
    assert failing(candidate({"text": "x"}), STOP, error).code is ErrorCode.OVERLOADED


def test_usage_is_told_at_the_beginning_and_once_the_answer_is_finished() -> None:
    """Who leaves in the middle has paid for the question, which only Google can count."""
    first = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}}
    last = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 9, "thoughtsTokenCount": 4}}
    text = candidate({"text": "x"})
    items = run(text | first, text | last, STOP | first, first, last, {"usageMetadata": {}})
    assert [item for item in items if not isinstance(item, Chunk)] == [
        UsageReport(Usage(3, 0, 1, source="estimated")),
        UsageReport(Usage(3, 0, 1)),
        UsageReport(Usage(3, 0, 13, 4)),
        Finish("stop", "STOP"),
    ]


def test_usage_that_waits_for_the_end_can_be_asked_for() -> None:
    """Each frame has a report, with thoughts in it that no text shows: a stream that is cut has used the newest."""
    reader = GeminiDecoder("gemini")
    text = candidate({"text": "x"})
    frames = [
        text | {"usageMetadata": {"promptTokenCount": 3, "thoughtsTokenCount": 200}},
        text | {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 9, "thoughtsTokenCount": 700}},
        {"usageMetadata": {"trafficType": "ON_DEMAND"}},
        STOP | {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 10, "thoughtsTokenCount": 700}},
    ]
    interim = [reader.interim]
    for frame in frames:
        reader.feed(Frame(json.dumps(frame).encode()))
        interim.append(reader.interim)
    # the first and the last are told, and wait no longer
    newest = Usage(3, 0, 709, 700, source="estimated")
    assert interim == [None, None, newest, newest, None]


def test_only_the_first_candidate_is_read() -> None:
    second = {"content": {"parts": [{"text": "other"}]}, "index": 1, "finishReason": "SAFETY"}
    response = candidate({"text": "x"}, finish="STOP")
    response["candidates"].append(second)
    assert run(response) == [Chunk("x", 0), Finish("stop", "STOP")]


def test_logprobs_are_passed_by_where_they_were_asked_for() -> None:
    result = {"chosenCandidates": [{"token": "Hi", "logProbability": -1.5}]}
    response = candidate({"text": "Hi"}, finish="STOP", logprobsResult=result)
    [chunk, _] = run(response, settings=Settings(logprobs=0))
    assert isinstance(chunk, Chunk)
    assert chunk.logprobs["content"][0]["logprob"] == -1.5
    assert run(response)[0] == Chunk("Hi", 0)


def test_surrogate_pairs() -> None:
    half = '{"candidates":[{"content":{"parts":[{"text":"a\\ud83d"}]}}]}'
    other = '{"candidates":[{"content":{"parts":[{"text":"\\ude00b"}]}}]}'
    assert run(half, other, STOP)[:2] == [Chunk("a", 0), Chunk("😀b", 0)]
    assert run(half, STOP)[:2] == [Chunk("a", 0), Chunk("\ufffd", 0)]
    call = '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"x":"\\ud800"}}}]}}]}'
    assert run(call, STOP)[0] == ToolCall("call_0", "f", '{"x":"\ufffd"}', True)


@pytest.mark.parametrize(
    "text",
    [
        '{"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": [1]}}]}}]}',
        '{"candidates": [{"content": {"parts": [{"functionCall": {"args": {"x": 1}}}]}}]}',
        '{"candidates": [{"content": {"parts": [{"text": 1}]}}]}',
        '{"candidates": {}}',
        "[]",
        "null",
        "[" * 100_000,
        '{"candidates": [{"groundingMetadata": ' + '{"a":' * 50_000,
    ],
)
def test_what_is_no_answer(text: str) -> None:
    error = failing(text)
    assert error.code is ErrorCode.PARSE


def test_a_refusal_is_google_s() -> None:
    body = b'{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}'
    error = Gemini(GeminiQuirks(provider_name="vertex")).error(400, {}, body)
    assert (error.code, error.provider) == (ErrorCode.AUTH, "vertex")
