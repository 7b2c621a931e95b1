"""A run's records as one whole Chat Completion: nothing before the end, and then all of it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from headwater.delivery.formats.openai_chat import identity, usage_object
from headwater.delivery.formats.openai_completion import OpenAIChatCompletion
from headwater.domain import event as ev
from tests.delivery.formats.faces import CREATED_AT_MS, ID, RUN, USAGE, complete, encoded, rendered


def face() -> OpenAIChatCompletion:
    return OpenAIChatCompletion(identity(RUN, CREATED_AT_MS, "model"))


def completion(*events: ev.Event) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rendered(face(), encoded(events)))
    ChatCompletion.model_validate(found)
    return found


def test_text_is_put_together() -> None:
    events: list[ev.Event] = [
        ev.Status("streaming"),
        ev.Reasoning("Hm", 0),
        ev.Chunk("Hel", 1),
        ev.Chunk("lo", 1),
        complete("length"),
    ]
    assert completion(*events) == {
        "id": ID,
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": "model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None, "reasoning_content": "Hm"},
                "logprobs": None,
                "finish_reason": "length",
            }
        ],
        "usage": usage_object(USAGE),
    }


def test_what_was_taken_back_is_not_in_it() -> None:
    found = completion(
        ev.Reasoning("Well", 0),
        ev.Chunk(
            "Half of", 1, None, {"content": [{"token": "Half", "logprob": 0.0, "bytes": None, "top_logprobs": []}]}
        ),
        ev.ToolCall("a", "add", "{}", done=True),
        ev.Attempt(1, 2, "TRUNCATED", "p", "m", supersedes_from=2),
        ev.Chunk("All of it", 0),
        complete(),
    )
    (choice,) = found["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": "All of it",
        "refusal": None,
        "reasoning_content": "Well",
    }
    assert choice["logprobs"] is None


def test_what_was_not_taken_back_stays_in_it() -> None:
    found = completion(
        ev.Chunk("One", 0),
        ev.Chunk(" other", 0, call=2),
        ev.Attempt(1, 2, "TRUNCATED", "p", "m"),
        ev.Attempt(2, 2, "TRUNCATED", "p", "m", supersedes_from=2),
        ev.Chunk(", two", 0),
        complete(),
    )
    assert found["choices"][0]["message"]["content"] == "One, two"
    found = completion(ev.Chunk("a", 0), ev.Attempt(2, 2, "TRUNCATED", "p", "m", supersedes_from=1), complete())
    assert found["choices"][0]["message"]["content"] == "a"


def test_tool_calls_are_put_together() -> None:
    found = completion(
        ev.ToolCall("a", "add", '{"x":', index=0),
        ev.ToolCall("b", "sub", "{}", done=True, index=1),
        ev.ToolCall("a", "add", "1}", done=True, index=0),
        complete("tool_calls"),
    )
    (choice,) = found["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x":1}'}},
            {"id": "b", "type": "function", "function": {"name": "sub", "arguments": "{}"}},
        ],
    }


def test_a_refusal_is_a_message() -> None:
    (choice,) = completion(ev.Refusal("I can", 0), ev.Refusal("not.", 0), complete("refusal"))["choices"]
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": "I cannot."}
    assert choice["finish_reason"] == "stop"


def test_a_reason_of_a_later_version_is_an_end() -> None:
    assert completion(ev.Chunk("Hi", 0), complete("a_later_one"))["choices"][0]["finish_reason"] == "stop"


def test_an_empty_answer_is_empty_text() -> None:
    assert completion(complete())["choices"][0]["message"]["content"] == ""


def test_logprobs_and_citations_are_gathered() -> None:
    tops: list[dict[str, Any]] = [
        {"token": token, "logprob": -1.0, "bytes": None, "top_logprobs": []} for token in ("a", "b")
    ]
    citation = {
        "type": "url_citation",
        "url_citation": {"url": "https://example.com", "title": "t", "start_index": 0, "end_index": 1},
    }
    found = completion(
        ev.Chunk("a", 0, logprobs={"content": tops[:1]}),
        ev.Chunk("b", 0, logprobs={"content": tops[1:]}),
        ev.Chunk("!", 0, logprobs={"content": None}),
        ev.Annotation("openai", citation),
        ev.Annotation("openai", {"odd": 1}),
        complete(),
    )
    (choice,) = found["choices"]
    assert choice["logprobs"] == {"content": tops, "refusal": None}
    assert choice["message"]["annotations"] == [citation]


def test_a_bad_end_is_a_refusal_whatever_was_said_before() -> None:
    ends: list[tuple[ev.Event, str, int]] = [
        (ev.Error("TRUNCATED", "Cut.", True), "truncated", 502),
        (ev.Cancelled("disconnect", 2), "cancelled", 499),
    ]
    for end, code, status in ends:
        whole = face()
        data = rendered(whole, encoded([ev.Chunk("Hi", 0), end]))
        refusal = whole.refusal(data)
        assert refusal is not None
        assert (refusal.status, json.loads(refusal.body)["error"]["code"]) == (status, code)
        assert whole.ended


def test_a_server_that_goes_refuses() -> None:
    whole = face()
    refusal = whole.refusal(whole.farewell(1000))
    assert refusal is not None
    assert refusal.status == 503


def test_nothing_is_said_before_the_end() -> None:
    whole = face()
    assert rendered(whole, encoded([ev.Chunk("Hi", 0)])) == whole.heartbeat == whole.greeting(0) == b""
    assert not whole.ended


@given(st.lists(st.text(max_size=5), max_size=20), st.sets(st.integers(1, 20)), st.sets(st.integers(1, 20)))
def test_the_answer_does_not_depend_on_how_the_log_is_cut(texts: list[str], cuts: set[int], others: set[int]) -> None:
    payloads = encoded([*(ev.Chunk(text, n % 2) for n, text in enumerate(texts)), complete()])
    whole = rendered(face(), payloads)
    assert json.loads(whole)["choices"][0]["message"]["content"] == "".join(texts)
    again = face()
    for each in (cuts, others):
        assert rendered(again, payloads, {cut for cut in each if cut < len(payloads)}) == whole
