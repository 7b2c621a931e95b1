"""The decoder, frame by frame: what each server adds, what counts as whole, and what is refused."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import (
    Annotation,
    Chunk,
    ProviderData,
    Reasoning,
    Refusal,
    ToolCall,
    UsageReport,
)
from headwater.domain.message import GenerationRequest, Settings, Usage
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Finish, Frame, Framing, Item
from headwater.providers.opaque import fits
from headwater.providers.openai_chat import FAILURES, FINISH_REASONS, OpenAIChat, OpenAIChatDecoder, Quirks
from headwater.testing.dialect import Ends, check_dialect
from tests.providers.chat_ends import chat_ends

FIXTURES = Path(__file__).parent / "fixtures"
DONE = b"[DONE]"


def decoder(**settings: Any) -> OpenAIChatDecoder:
    request = GenerationRequest("model", [], Settings(**settings))
    made = OpenAIChat(Quirks(provider_name="acme")).decoder(request)
    assert isinstance(made, OpenAIChatDecoder)
    return made


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return json.dumps({"object": "chat.completion.chunk", "choices": [choice], **more}).encode()


def fed(*frames: bytes, clean: bool = True, **settings: Any) -> list[Item]:
    """Everything that comes of these frames and the end of the body."""
    reader = decoder(**settings)
    items = [item for frame in frames for item in reader.feed(Frame(frame))]
    return items + reader.end(clean)


def failure(*frames: bytes, event: str = "") -> ProviderError:
    """The error that the last of these frames is."""
    reader = decoder()
    for frame in frames[:-1]:
        reader.feed(Frame(frame))
    with pytest.raises(ProviderError) as caught:
        reader.feed(Frame(frames[-1], event))
    assert caught.value.provider == "acme"
    return caught.value


def test_a_dialect_of_sse() -> None:
    assert (OpenAIChat.name, OpenAIChat().framing, OpenAIChat().quirks) == ("openai_chat", Framing.SSE, Quirks())


@pytest.mark.parametrize(
    ("name", "items"),
    [
        (
            "chat_plain.sse",
            [Chunk("Grüße", 0), Chunk(" 👋🏽\n", 0), UsageReport(Usage(9, 0, 2, 0)), Finish("stop", "stop")],
        ),
        (
            "chat_no_marker.sse",
            [
                Reasoning("Hm. ", 0),
                Chunk("Yes", 0),
                Chunk(".", 0),
                Chunk(" Late", 0),
                UsageReport(Usage(1, 0, 3, 0)),
                Finish("length", "length"),
            ],
        ),
        (
            "chat_tools.sse",
            [
                ToolCall("a", "look", ""),
                ToolCall("a", "look", '{"at":'),
                ToolCall("a", "look", '"sea"}'),
                ToolCall("a", "look", "", done=True),
                ToolCall("b", "wait", "{}", index=1),
                ToolCall("b", "wait", "", done=True, index=1),
                Finish("tool_calls", "tool_calls"),
            ],
        ),
        (
            "chat_surrogates.sse",
            [
                Chunk("a ", 0),
                Reasoning("thinking between the halves", 0),
                Chunk("👋", 0),
                Chunk(" b ", 0),
                Chunk("\ufffdc ", 0),
                Chunk("\ufffd", 0),
                Finish("stop", "stop"),
            ],
        ),
    ],
)
def test_own_streams(name: str, items: list[Item], seeded: random.Random) -> None:
    body = (FIXTURES / name).read_bytes()
    decoded = check_dialect(OpenAIChat(), body, chat_ends(body), rng=seeded)
    assert decoded.error is None
    assert decoded.items == items


def test_own_stream_with_an_error(seeded: random.Random) -> None:
    body = (FIXTURES / "chat_error_in_mid_stream.sse").read_bytes()
    decoded = check_dialect(OpenAIChat(), body, chat_ends(body), rng=seeded)
    assert decoded.items == [Chunk("The run", 0)]
    assert decoded.error is not None
    assert (decoded.error.code, decoded.error.status_code) == (ErrorCode.OVERLOADED, 503)


@pytest.mark.parametrize(
    ("frames", "clean", "whole"),
    [
        ([DONE], False, True),
        ([b" [DONE]\t"], False, True),
        ([chunk({"content": "x"}), DONE], False, True),
        ([chunk({"content": "x"}, "stop")], True, True),
        ([chunk({"content": "x"}, "stop")], False, False),
        ([chunk({"content": "x"}, "")], True, False),
        ([chunk({"content": "x"})], True, False),
        ([], True, False),
        ([json.dumps({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}).encode()], True, False),
    ],
)
def test_whole(frames: list[bytes], clean: bool, whole: bool) -> None:
    if whole:
        assert isinstance(fed(*frames, clean=clean)[-1], Finish)
    else:
        with pytest.raises(Truncated):
            fed(*frames, clean=clean)


def test_nothing_after_the_marker_counts() -> None:
    reader = decoder()
    ended = [reader.ended]
    assert reader.feed(Frame(DONE)) == []
    assert [*ended, reader.ended] == [False, True]
    assert reader.feed(Frame(chunk({"content": "x"}))) == []
    assert reader.feed(Frame(b"{broken")) == []
    assert reader.end(False) == [Finish("stop")]
    assert reader.end(False) == []


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        *FINISH_REASONS.items(),
        ("MAX_TOKENS", "length"),
        ("a word that nobody knows", "stop"),
    ],
)
def test_finish_reason(sent: str, reason: str) -> None:
    assert fed(chunk({"content": "x"}, sent))[-1] == Finish(reason, sent)  # type: ignore[arg-type]  # a table of words


def test_the_last_finish_reason_counts() -> None:
    assert fed(chunk({"content": "x"}, "tool_calls"), chunk({}, "stop"))[-1] == Finish("stop", "stop")


@pytest.mark.parametrize(("sent", "code"), FAILURES.items())
def test_a_finish_reason_may_be_a_failure(sent: str, code: ErrorCode) -> None:
    assert failure(chunk({}, sent.upper())).code is code


def test_without_a_finish_reason() -> None:
    assert fed(chunk({"content": "x"}), DONE)[-1] == Finish("stop")
    call = {"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}
    assert fed(chunk({"tool_calls": [call]}), DONE) == [
        ToolCall("a", "add", "{}"),
        ToolCall("a", "add", "", done=True),
        Finish("tool_calls"),
    ]


def test_refusal() -> None:
    refusal = chunk({"refusal": "No."})
    assert fed(refusal, chunk({}, "stop")) == [Refusal("No.", 0), Finish("refusal", "stop")]
    assert fed(chunk({"content": "Well"}), refusal, chunk({}, "stop"))[-1] == Finish("stop", "stop")
    assert fed(refusal, chunk({}, "length"))[-1] == Finish("length", "length")


@pytest.mark.parametrize(
    ("delta", "items"),
    [
        ({"reasoning_content": "Hm"}, [Reasoning("Hm", 0)]),
        ({"reasoning": "Hm"}, [Reasoning("Hm", 0)]),
        ({"reasoning": "Hm", "content": "Yes"}, [Reasoning("Hm", 0), Chunk("Yes", 0)]),
        ({"reasoning_content": "Hm", "reasoning": "Hm"}, [Reasoning("Hm", 0)]),
        ({"reasoning": {"what": "is this"}}, []),
        (
            {"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]},
            [Reasoning("Hm", 0)],
        ),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm"}, "?"]}, [Reasoning("Hm", 0)]),
        ({"reasoning_details": "?"}, []),
        (
            {"reasoning": None, "reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAA"}]},
            [ProviderData("acme", {"type": "reasoning.encrypted", "data": "gAAA"})],
        ),
        (
            {"reasoning_details": [{"type": "reasoning.text", "text": "Hm", "signature": "s"}]},
            [ProviderData("acme", {"type": "reasoning.text", "text": "Hm", "signature": "s"}), Reasoning("Hm", 0)],
        ),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "H"}, {"type": "text", "text": "m"}]},
                    {"type": "thinking", "thinking": "!"},
                    {"type": "text", "text": "Yes"},
                    {"type": "reference", "reference_ids": [1]},
                ]
            },
            [
                Reasoning("Hm", 0),
                Reasoning("!", 0),
                Chunk("Yes", 0),
                Annotation("acme", {"type": "reference", "reference_ids": [1]}),
            ],
        ),
        (
            {"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}]},
            [Annotation("acme", {"type": "url_citation", "url_citation": {"url": "https://example.com"}})],
        ),
        ({"annotations": "?"}, []),
        (
            {"executed_tools": [{"type": "search", "output": "x"}]},
            [Annotation("acme", {"executed_tools": [{"type": "search", "output": "x"}]})],
        ),
        (
            {"function_call": {"name": "add", "arguments": "{}"}},
            [ToolCall("call_0", "add", "{}"), ToolCall("call_0", "add", "", done=True)],
        ),
        (
            {
                "tool_calls": [
                    {"id": "a", "function": {"name": "add", "arguments": "{}"}},
                    {"function": {"name": "sub"}},
                ]
            },
            [
                ToolCall("a", "add", "{}"),
                ToolCall("a", "add", "", done=True),
                ToolCall("call_1", "sub", "", index=1),
                ToolCall("call_1", "sub", "", done=True, index=1),
            ],
        ),
    ],
)
def test_what_a_delta_may_hold(delta: dict[str, Any], items: list[Item]) -> None:
    assert fed(chunk(delta), DONE)[:-1] == items


def test_tool_calls_are_done_with_the_finish_reason() -> None:
    reader = decoder()
    reader.feed(Frame(chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": ""}}]})))
    assert reader.feed(Frame(chunk({}, "tool_calls"))) == [ToolCall("a", "add", "", done=True)]
    assert reader.end(True) == [Finish("tool_calls", "tool_calls")]


def test_of_several_choices_the_first_is_read() -> None:
    choices = [{"index": 1, "delta": {"content": "other"}}, {"index": 0, "delta": {"content": "mine"}}]
    assert fed(json.dumps({"choices": choices}).encode(), DONE)[:-1] == [Chunk("mine", 0)]


def test_logprobs_only_if_asked_for() -> None:
    logprobs = {"content": [{"token": "x", "logprob": -0.1}]}
    frame = json.dumps({"choices": [{"index": 0, "delta": {"content": "x"}, "logprobs": logprobs}]}).encode()
    assert fed(frame, DONE)[0] == Chunk("x", 0)
    assert fed(frame, DONE, logprobs=0)[0] == Chunk("x", 0, None, logprobs)
    # A token that is part of a character has a probability and no text of its own.
    silent = frame.replace(b'"content": "x"', b'"content": ""')
    assert fed(silent, DONE, logprobs=0)[0] == Chunk("", 0, None, logprobs)
    assert fed(silent, DONE)[:-1] == []
    none = frame.replace(json.dumps(logprobs).encode(), b'{"content": null}')
    assert fed(none, DONE, logprobs=0)[0] == Chunk("x", 0)


def test_usage_on_every_chunk_is_told_once() -> None:
    frames = [chunk({"content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": at}) for at in (1, 2, 3)]
    items = fed(*frames, chunk({}, "stop"))
    assert items[3:] == [UsageReport(Usage(9, 0, 3, 0)), Finish("stop", "stop")]


def test_usage_that_waits_for_the_end_can_be_asked_for() -> None:
    reader = decoder()
    frames = [chunk({"content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": at}) for at in (1, 2)]
    # in a chunk of its own, with more to come
    frames.append(b'{"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}')
    frames.append(chunk({}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 4}))
    told: list[list[Item]] = []
    interim = [reader.interim]
    for frame in frames:
        told.append(reader.feed(Frame(frame)))
        interim.append(reader.interim)
    assert told[:3] == [[Chunk("x", 0)], [Chunk("x", 0)], []]
    # the last is told, and waits no longer
    assert interim == [None, Usage(9, 0, 1), Usage(9, 0, 2), Usage(9, 0, 3), None]


def test_usage_is_told_again_where_it_changes() -> None:
    last = {"prompt_tokens": 9, "completion_tokens": 3}
    items = fed(
        chunk({"content": "x"}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 2}),
        chunk({}, "stop", usage=last),
        json.dumps({"choices": [], "usage": last}).encode(),
    )
    assert items[1:-1] == [UsageReport(Usage(9, 0, 2, 0)), UsageReport(Usage(9, 0, 3, 0))]


@pytest.mark.parametrize("more", [{"usage": "?"}, {"usage": []}, {"usage": {}}, {"x_groq": {"id": "r"}}, {"x_groq": 1}])
def test_what_is_no_usage(more: dict[str, Any]) -> None:
    assert fed(chunk({}, "stop", **more)) == [Finish("stop", "stop")]


def test_usage_of_groq() -> None:
    reported = {"prompt_tokens": 9, "completion_tokens": 3}
    items = fed(chunk({}, "stop", x_groq={"id": "r", "usage": reported}))
    assert items == [UsageReport(Usage(9, 0, 3, 0)), Finish("stop", "stop")]


def test_sources_are_told_when_they_change() -> None:
    first: dict[str, Any] = {"citations": ["https://example.com"], "search_results": [{"title": "x"}]}
    items = fed(chunk(**first), chunk(**first), chunk(citations=["https://example.org"]), DONE)
    assert items[:-1] == [
        Annotation("acme", {"citations": ["https://example.com"]}),
        Annotation("acme", {"search_results": [{"title": "x"}]}),
        Annotation("acme", {"citations": ["https://example.org"]}),
    ]


LARGE = "x" * 300_000


@pytest.mark.parametrize(
    "sent",
    [
        chunk(
            {"annotations": [{"type": "file", "file": {"name": "a.pdf", "content": [{"type": "text", "text": LARGE}]}}]}
        ),
        chunk({"executed_tools": [{"type": "browser", "output": LARGE}]}),
        chunk({"content": [{"type": "document", "data": LARGE}]}),
        chunk(search_results=[{"title": "Sea", "snippet": LARGE}]),
    ],
)
def test_what_fits_no_record_is_told_without_its_longest_texts(sent: bytes) -> None:
    told, finish = fed(sent, DONE)
    assert isinstance(told, Annotation)
    assert LARGE not in repr(told)
    assert fits(told.value)
    assert told.value["omitted_bytes"] > 299_000
    assert isinstance(finish, Finish)


def test_what_has_to_go_back_whole_and_fits_no_record_is_left_out() -> None:
    details = [{"type": "reasoning.encrypted", "data": LARGE}, {"type": "reasoning.encrypted", "data": "gAAA"}]
    told, _ = fed(chunk({"reasoning_details": details}), DONE)
    assert told == ProviderData("acme", {"type": "reasoning.encrypted", "data": "gAAA"})


@pytest.mark.parametrize(
    ("frame", "event", "code"),
    [
        (b'{"error": {"message": "x", "type": "server_error"}}', "", ErrorCode.SERVER),
        (b'{"error": {"message": "x", "code": 429}}', "", ErrorCode.RATE_LIMIT),
        (b'{"error": {"message": "x", "code": "context_length_exceeded"}}', "", ErrorCode.CONTEXT_LENGTH),
        (b'{"error": {"message": "x", "type": "invalid_request_error"}}', "", ErrorCode.BAD_REQUEST),
        (b'{"error": "it broke"}', "", ErrorCode.SERVER),
        (b'{"error": true}', "", ErrorCode.SERVER),
        (b'{"error": {"message": "x", "code": 503}, "choices": [{"index": 0, "delta": {}}]}', "", ErrorCode.OVERLOADED),
        (
            b'{"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "x", "code": 429}}]}',
            "",
            ErrorCode.RATE_LIMIT,
        ),
        (b'{"choices": [{"delta": {}, "error": {"message": "x", "code": 502}}]}', "", ErrorCode.SERVER),
        (b'{"object": "error", "message": "x", "code": 400}', "", ErrorCode.BAD_REQUEST),
        (b'{"detail": "x"}', "", ErrorCode.SERVER),
        (b'[{"error": {"message": "x", "status": "UNAVAILABLE"}}]', "", ErrorCode.OVERLOADED),
        (b'{"message": "x", "code": "timeout"}', "error", ErrorCode.TIMEOUT),
        (b"upstream went away", "error", ErrorCode.SERVER),
        (b"{}", "error", ErrorCode.SERVER),
    ],
)
def test_an_error_in_mid_stream(frame: bytes, event: str, code: ErrorCode) -> None:
    assert failure(chunk({"content": "x"}), frame, event=event).code is code


@pytest.mark.parametrize(
    "frame",
    [
        b"{",
        b"secret answer",
        b'{"choices": [{"delta": {"content": "secret answer"',
        b'"secret answer"',
        b"17",
        b"[]",
        b"null",
        b'{"choices": "secret answer"}',
        b'{"choices": [{"index": 0, "delta": {"content": 17}}]}',
        b'{"choices": [{"index": 0, "delta": {"content": {"text": "secret answer"}}}]}',
        b'{"choices": [{"index": 0, "delta": {"tool_calls": {"0": "secret answer"}}}]}',
        b'{"choices": [{"index": 0, "finish_reason": 1}]}',
        b'{"error": ' + b"[" * 100_000,
        b'{"choices": [{"index": 0, "delta": {"annotations": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}]}",
        b"\xff",
    ],
)
def test_what_can_not_be_read(frame: bytes) -> None:
    error = failure(frame)
    assert error.code is ErrorCode.PARSE
    assert "secret" not in error.message + error.detail
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b" ",
        b"{}",
        b'{"type": "ping"}',
        b'{"choices": []}',
        b'{"choices": [{"index": 0}]}',
        b'{"choices": [{"index": 0, "delta": null}]}',
        b'{"choices": [{"index": 0, "delta": {"role": "assistant", "content": null, "tool_calls": null}}]}',
        b'{"choices": [{"delta": {"audio": {"id": "x"}}}], "error": null}',
    ],
)
def test_what_says_nothing(frame: bytes) -> None:
    assert fed(frame, DONE) == [Finish("stop")]


@pytest.mark.parametrize("event", ["", "message", "completion.chunk"])
def test_names_of_events_do_not_matter(event: str) -> None:
    assert decoder().feed(Frame(chunk({"content": "x"}), event)) == [Chunk("x", 0)]


def test_half_a_pair_in_what_is_no_text() -> None:
    annotation = rb'{"choices": [{"index": 0, "delta": {"annotations": [{"na\ud800me": "\udc00"}]}}]}'
    sources = rb'{"choices": [], "citations": ["\ud83d\udc4b\ud83d"]}'
    parts = rb'{"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "\ud83d"}]}}]}'
    rest = rb'{"choices": [{"index": 0, "delta": {"content": "\udc4b"}, "finish_reason": "sto\ud800p"}]}'
    assert fed(annotation, sources, parts, rest) == [
        Annotation("acme", {"na\ufffdme": "\ufffd"}),
        Annotation("acme", {"citations": ["👋\ufffd"]}),
        Chunk("👋", 0),
        Finish("stop", "sto\ufffdp"),
    ]


def test_half_a_pair_with_logprobs() -> None:
    token = rb'{"token": "\ud83d", "logprob": NaN}'
    frame = rb'{"choices": [{"index": 0, "delta": {"content": "x\ud83d"}, "logprobs": {"content": [' + token + b"]}}]}"
    first = fed(frame, DONE, logprobs=0)[0]
    assert isinstance(first, Chunk)
    assert (first.content, first.logprobs["content"][0]["token"]) == ("x", "\ufffd")


def test_half_a_pair_in_an_error() -> None:
    failure(rb'{"error": {"message": "\ud800", "code": "\udc00"}}').detail.encode()


@given(st.text(), st.lists(st.integers(0, 100), max_size=6))
def test_text_cut_between_utf16_units_comes_back(text: str, places: list[int]) -> None:
    units = text.encode("utf-16-le")
    edges = [0, *sorted(min(place, len(units) // 2) for place in places), len(units) // 2]
    deltas = [
        units[2 * start : 2 * stop].decode("utf-16-le", "surrogatepass") for start, stop in itertools.pairwise(edges)
    ]
    items = fed(*[chunk({"content": delta}) for delta in deltas], DONE)
    assert "".join(item.content for item in items if isinstance(item, Chunk)) == text


def test_the_oracle_finds_the_ends() -> None:
    finish, error = chunk({}, "stop"), b'{"error": {}}'
    assert chat_ends(b"data: " + finish + b"\n\n") == Ends(None, 6 + len(finish))
    assert chat_ends(b"data:[DONE]") == Ends(11)
    assert chat_ends(b"data: {\r\rdata: [DONE]\r\r") == Ends(21, None, 7)
    assert chat_ends(b"event: error\ndata: {}\n\n") == Ends(None, None, 21)
    assert chat_ends(b"data: " + error.replace(b"{}", b'"x"') + b"\n\n").error_at is not None
    assert chat_ends(b'\xef\xbb\xbfdata: {"choices": [\ndata: ]}\n\ndata: {"choi') == Ends()
