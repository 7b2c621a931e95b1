"""What a Responses stream means, event by event: its end, its errors, its usage, and what servers do differently."""

import json
from typing import Any, ClassVar

import pytest

from headwater.domain.event import Annotation, Chunk, ProviderData, Reasoning, Refusal, ToolCall, UsageReport
from headwater.domain.message import GenerationRequest, Settings, Usage
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Checkpoint, Finish, Frame, Item
from headwater.providers.openai_responses import OpenAIResponses, ResponsesQuirks
from headwater.testing.dialect import PLAIN

DIALECT = OpenAIResponses()
CREATED = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}, "sequence_number": 0}
BEGUN = {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "msg_1"}}
CALL = {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": ""}
USED = {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 2}, "cost": 0.25}


def delta(text: Any, kind: str = "output_text", **members: Any) -> dict[str, Any]:
    event = {"type": f"response.{kind}.delta", "output_index": 0, "content_index": 0, "item_id": "msg_1", "delta": text}
    return {**event, **members}


def ended(status: str = "completed", **response: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {"id": "resp_1", "status": status, **response}}


def fed(*events: Any, request: GenerationRequest = PLAIN, dialect: OpenAIResponses = DIALECT) -> list[Item]:
    """What comes of these events, JSON values or bytes, and of the end after them."""
    reader = dialect.decoder(request)
    items: list[Item] = []
    for event in events:
        items += reader.feed(Frame(event if isinstance(event, bytes) else json.dumps(event).encode()))
    return items + reader.end(True)


def failing(*events: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        fed(*events)
    return caught.value


class TestEnd:
    def test_completed(self) -> None:
        items = fed(CREATED, BEGUN, delta("Hel"), delta("lo"), ended(usage=USED))
        assert items == [
            Chunk("Hel", 0),
            Chunk("lo", 0),
            UsageReport(Usage(9, 2, 4, 0, 0.25)),
            Finish("stop", "completed"),
        ]

    @pytest.mark.parametrize(
        ("details", "finish"),
        [
            ({"reason": "max_output_tokens"}, Finish("length", "max_output_tokens")),
            ({"reason": "content_filter"}, Finish("content_filter", "content_filter")),
            ({"reason": "steered"}, Finish("length", "steered")),
            (None, Finish("length", "incomplete")),
        ],
    )
    def test_incomplete(self, details: Any, finish: Finish) -> None:
        assert fed(delta("Hel"), ended("incomplete", incomplete_details=details))[-1] == finish

    @pytest.mark.parametrize(("max_tokens", "reason"), [(4, "length"), (5, "stop"), (None, "stop")])
    def test_at_the_limit_of_a_server_that_does_not_tell(self, max_tokens: int | None, reason: str) -> None:
        request = GenerationRequest("model", [], Settings(max_tokens=max_tokens))
        silent = OpenAIResponses(ResponsesQuirks(provider_name="llamacpp", tells_incomplete=False))
        assert fed(ended(usage=USED), request=request, dialect=silent)[-1] == Finish(reason, "completed")  # type: ignore[arg-type]  # a table of plain words
        assert fed(ended(usage=USED), request=request)[-1] == Finish("stop", "completed")

    def test_with_a_call(self) -> None:
        items = fed({**BEGUN, "item": CALL}, delta("{}", "function_call_arguments"), ended())
        assert items == [
            ToolCall("call_1", "add", "", False, 0),
            ToolCall("call_1", "add", "{}", False, 0),
            ToolCall("call_1", "add", "", True, 0),
            Finish("tool_calls", "completed"),
        ]

    def test_with_a_refusal(self) -> None:
        refusal = {"type": "response.refusal.done", "output_index": 0, "content_index": 0, "refusal": "No."}
        assert fed(refusal, ended()) == [Refusal("No.", 0), Finish("refusal", "completed")]
        assert fed(delta("No", "refusal"), refusal, ended())[:-1] == [Refusal("No", 0)]
        assert fed(refusal, delta("But", output_index=1), ended())[-1] == Finish("stop", "completed")

    def test_after_the_end_nothing_counts(self) -> None:
        reader = DIALECT.decoder(PLAIN)
        before = reader.ended
        reader.feed(Frame(json.dumps(ended()).encode()))
        assert (before, reader.ended) == (False, True)
        assert reader.feed(Frame(json.dumps(delta("more")).encode())) == []
        assert reader.feed(Frame(b"{")) == []
        assert reader.end(False) == [Finish("stop", "completed")]
        assert reader.end(True) == []

    @pytest.mark.parametrize(
        "events",
        [
            [],
            [CREATED],
            [CREATED, delta("Hel"), b"[DONE]"],
            [{"type": "response.output_text.done", "output_index": 0, "text": "Hello"}],
            [{"type": "response.in_progress", "response": {"status": "completed", "output": []}}],
        ],
    )
    def test_anything_else_is_a_cut(self, events: list[Any]) -> None:
        error = failing(*events)
        assert isinstance(error, Truncated)
        assert error.provider == "openai"

    def test_what_a_response_says_of_itself_holds_where_the_event_says_better(self) -> None:
        """aimock has one event for each end, and the status in the response."""
        half = {"type": "response.completed", "response": {"status": "incomplete", "output": []}}
        assert fed(delta("Hel"), half)[-1] == Finish("length", "incomplete")
        failed = {"type": "response.completed", "response": {"status": "failed", "output": []}}
        assert failing(delta("Hel"), failed).code is ErrorCode.SERVER


class TestErrors:
    def test_failed_tells_what_it_cost_before_it_fails(self) -> None:
        reader = DIALECT.decoder(PLAIN)
        event = ended("failed", error={"code": "server_error", "message": "An error occurred."}, usage=USED)
        assert reader.feed(Frame(json.dumps(event).encode())) == [UsageReport(Usage(9, 2, 4, 0, 0.25))]
        assert reader.ended
        for _ in range(2):
            with pytest.raises(ProviderError) as caught:
                reader.end(True)
            assert caught.value.code is ErrorCode.SERVER
            assert caught.value.detail == "server_error An error occurred."

    @pytest.mark.parametrize(
        ("event", "code"),
        [
            ({"type": "error", "code": "rate_limit_exceeded", "message": "Wait."}, ErrorCode.RATE_LIMIT),
            ({"type": "error", "error": {"code": "insufficient_quota", "message": "Pay."}}, ErrorCode.BUDGET),
            ({"type": "error", "code": None, "message": "The model is overloaded."}, ErrorCode.OVERLOADED),
            ({"type": "error"}, ErrorCode.SERVER),
            ({"error": {"code": 502, "message": "Provider returned error"}}, ErrorCode.SERVER),
            ({"error": {"code": 429, "message": "Slow down."}}, ErrorCode.RATE_LIMIT),
            ([{"error": {"code": "context_length_exceeded", "message": ""}}], ErrorCode.CONTEXT_LENGTH),
            (ended("failed", error=None), ErrorCode.SERVER),
            (ended("failed", error={"code": "invalid_image_url", "message": ""}), ErrorCode.BAD_REQUEST),
            (ended("failed", error={"code": "bio_policy", "message": ""}), ErrorCode.CONTENT_FILTER),
            (ended("failed", error={"code": "vector_store_timeout", "message": ""}), ErrorCode.TIMEOUT),
            (
                ended("failed", error={"code": "invalid_prompt", "message": "Your prompt was flagged as …"}),
                ErrorCode.CONTENT_FILTER,
            ),
            (ended("failed", error={"code": "invalid_prompt", "message": "Invalid."}), ErrorCode.BAD_REQUEST),
            (ended("cancelled"), ErrorCode.SERVER),
            ({"id": "resp_1", "object": "response", "status": "cancelled", "output": []}, ErrorCode.SERVER),
        ],
    )
    def test_codes(self, event: Any, code: ErrorCode) -> None:
        error = failing(CREATED, delta("Hel"), event)
        assert (error.code, error.provider) == (code, "openai")

    def test_an_event_that_is_named_an_error_is_one(self) -> None:
        for data in (b'{"code":"rate_limit_exceeded","message":"Wait."}', b'"rate limit"', b"oops"):
            with pytest.raises(ProviderError) as caught:
                DIALECT.decoder(PLAIN).feed(Frame(data, "error"))
            assert caught.value.code is not ErrorCode.PARSE

    @pytest.mark.parametrize(
        "data", [b"{", b"5", b'"text"', b"[]", b"[1]", b"nonsense", b'{"type":"response.created",}', b"[" * 100_000]
    )
    def test_what_is_no_event_can_not_be_read(self, data: bytes) -> None:
        error = failing(data)
        assert error.code is ErrorCode.PARSE
        assert error.detail == f"a frame of {len(data)} bytes is not an event of a response"

    def test_a_refused_request(self) -> None:
        body = b'{"error":{"message":"Incorrect API key provided: sk-abcdef123456.","code":"invalid_api_key"}}'
        error = OpenAIResponses(ResponsesQuirks(provider_name="azure")).error(401, {"Retry-After": "3"}, body)
        assert (error.code, error.provider, error.retry_after_ms) == (ErrorCode.AUTH, "azure", 3000)
        assert "abcdef" not in error.detail


class TestServers:
    def test_unknown_events_pass(self) -> None:
        assert fed(
            CREATED,
            {"type": "response.queued", "response": {"status": "queued"}},
            {"type": "response.shell_call_output_content.delta", "delta": {"stdout": "odd"}},
            {"type": "keepalive", "sequence_number": 3},
            {"unknown": True},
            b"",
            b"  ",
            ended(),
        ) == [Finish("stop", "completed")]

    def test_ids_that_change_with_every_event(self) -> None:
        events = [delta(text, item_id=text) for text in ("Hel", "lo", "!")]
        assert fed({**BEGUN, "item": {"type": "message", "id": "x"}}, *events, ended())[:-1] == [
            Chunk("Hel", 0),
            Chunk("lo", 0),
            Chunk("!", 0),
        ]

    def test_events_without_places_are_told_apart_by_ids(self) -> None:
        """As llama.cpp sends them; its calls have no id but that of the call."""
        call = {"type": "function_call", "call_id": "fc_1", "name": "add", "arguments": ""}
        nowhere: dict[str, Any] = {"output_index": None, "content_index": None}
        items = fed(
            {"type": "response.output_item.added", "item": {"type": "message", "id": "msg_1"}},
            {"type": "response.output_item.added", "item": call},
            delta("Hel", **nowhere),
            delta("{", "function_call_arguments", item_id="fc_1", **nowhere),
            delta("lo", **nowhere),
            delta("}", "function_call_arguments", item_id="fc_1", **nowhere),
            delta("!", item_id="msg_2", **nowhere),
            {"type": "response.output_item.done", "item": {**call, "arguments": "{}"}},
            ended(),
        )
        assert items == [
            ToolCall("fc_1", "add", "", False, 0),
            Chunk("Hel", 0),
            ToolCall("fc_1", "add", "{", False, 0),
            Chunk("lo", 0),
            ToolCall("fc_1", "add", "}", False, 0),
            Chunk("!", 1),
            ToolCall("fc_1", "add", "", True, 0),
            Finish("tool_calls", "completed"),
        ]

    def test_parts_are_numbered_as_they_begin(self) -> None:
        items = fed(
            delta("Thinking", "reasoning_summary_text", summary_index=0),
            delta("More", "reasoning_summary_text", summary_index=1),
            delta("One", output_index=1),
            delta("Two", output_index=1, content_index=1),
            delta("one", output_index=1),
            delta("Three", output_index=2),
            delta("deep", "reasoning_text"),
            ended(),
        )
        assert items[:-1] == [
            Reasoning("Thinking", 0),
            Reasoning("More", 1),
            Chunk("One", 2),
            Chunk("Two", 3),
            Chunk("one", 2),
            Chunk("Three", 4),
            Reasoning("deep", 5),
        ]

    def test_only_the_end_has_the_answer(self) -> None:
        output = [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]
        assert fed(CREATED, ended(output=output)) == [Chunk("Hello", 0), Finish("stop", "completed")]

    @pytest.mark.parametrize("status", ["completed", "incomplete"])
    def test_a_server_that_does_not_stream(self, status: str) -> None:
        message = {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}
        answer = {"id": "resp_1", "object": "response", "status": status, "output": [message], "usage": USED}
        items = fed(answer)
        assert items[:2] == [Chunk("Hello", 0), UsageReport(Usage(9, 2, 4, 0, 0.25))]
        assert isinstance(items[-1], Finish)

    @pytest.mark.parametrize("status", ["queued", "in_progress", None])
    def test_an_answer_that_is_not_there_yet_is_none(self, status: str | None) -> None:
        assert isinstance(failing({"id": "resp_1", "status": status, "output": []}), Truncated)

    def test_text_cut_inside_of_a_pair(self) -> None:
        items = fed(
            delta("a"),
            b'{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"\\ud83d"}',
            delta("\ude00b"),
            delta("c"),
            ended(),
        )
        assert items[:-1] == [Chunk("a", 0), Chunk("😀b", 0), Chunk("c", 0)]
        assert fed(delta("a\ud83d"), ended())[:-1] == [Chunk("a", 0), Chunk("\ufffd", 0)]

    def test_values_are_fit_to_be_stored(self) -> None:
        added = {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": {"t": "\ud83d"}}
        assert fed(added, ended())[0] == Annotation("openai", {"t": "\ufffd"}, 0)

    @pytest.mark.parametrize("odd", [None, 5, True, [], {}, {"a": 1}])
    def test_odd_members_do_no_harm(self, odd: Any) -> None:
        assert fed(CREATED, BEGUN, delta("a"), delta(odd), delta("b"), ended()) == [
            Chunk("a", 0),
            Chunk("b", 0),
            Finish("stop", "completed"),
        ]
        for kind in ("output_text", "refusal", "reasoning_text", "reasoning_summary_text", "function_call_arguments"):
            fed(delta("a", kind, output_index=odd, content_index=odd, item_id=odd, summary_index=odd), ended())
        for kind in ("created", "output_item.added", "output_item.done", "output_text.annotation.added"):
            fed({"type": f"response.{kind}", "response": odd, "item": odd, "annotation": odd}, ended())
        fed({"type": "response.completed", "response": odd})


def test_log_probabilities_are_passed_by_where_they_were_asked_for() -> None:
    token = {"token": "Hel", "logprob": -0.5, "top_logprobs": []}
    wants = GenerationRequest("model", [], Settings(logprobs=0))
    events = [delta("Hel", logprobs=[token]), delta("lo", logprobs=[]), ended()]
    assert fed(*events, request=wants)[:2] == [Chunk("Hel", 0, None, {"content": [token]}), Chunk("lo", 0)]
    assert fed(*events)[:2] == [Chunk("Hel", 0), Chunk("lo", 0)]


class TestBackground:
    DONE: ClassVar = {
        "type": "response.output_item.done",
        "output_index": 0,
        "sequence_number": 4,
        "item": {"type": "message"},
    }
    FIRST: ClassVar = ProviderData(
        "openai", {"response_id": "resp_1", "sequence_number": 0, "items": 0, "parts": 0, "tool_calls": 0}
    )

    def test_checkpoints_come_where_nothing_is_under_way(self) -> None:
        background = DIALECT.in_background(PLAIN)
        second = {**BEGUN, "output_index": 1}
        items = fed(
            CREATED,
            BEGUN,
            delta("Hi"),
            second,
            self.DONE,
            {**self.DONE, "output_index": 1},
            ended(),
            request=background,
        )
        later = ProviderData("openai", {**self.FIRST.value, "sequence_number": 4, "items": 2, "parts": 1})
        assert items == [self.FIRST, Chunk("Hi", 0), later, Finish("stop", "completed")]

    def test_without_numbers_there_are_none(self) -> None:
        created = {name: value for name, value in CREATED.items() if name != "sequence_number"}
        assert fed(created, ended(), request=DIALECT.in_background(PLAIN)) == [Finish("stop", "completed")]

    def test_an_id_that_would_lead_elsewhere_is_no_place(self) -> None:
        created = {**CREATED, "response": {"id": "../files"}}
        assert fed(created, ended(), request=DIALECT.in_background(PLAIN)) == [Finish("stop", "completed")]

    def test_a_checkpoint_is_read_back(self) -> None:
        assert DIALECT.checkpoint(self.FIRST) == Checkpoint("resp_1", 0)

    @pytest.mark.parametrize(
        "event",
        [
            ProviderData("xai", {"response_id": "resp_1", "sequence_number": 0}),
            ProviderData("openai", {"type": "reasoning", "encrypted_content": "gAAA"}),
            ProviderData("openai", {"response_id": 5, "sequence_number": 0}),
            ProviderData("openai", {"response_id": "../files", "sequence_number": 0}),
            ProviderData("openai", None),
        ],
    )
    def test_other_data_is_none(self, event: ProviderData) -> None:
        assert DIALECT.checkpoint(event) is None

    def test_what_was_before_is_not_put_out_again(self) -> None:
        place = Checkpoint("resp_1", 4, items=2, parts=1, tool_calls=1)
        reader = DIALECT.resume(PLAIN, place)
        output = [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]
        assert reader.feed(Frame(json.dumps(ended(output=output)).encode())) == []
        assert reader.end(True) == [Finish("tool_calls", "completed")]

    def test_what_only_the_end_has_comes_again_where_nothing_was_before(self) -> None:
        reader = DIALECT.resume(PLAIN, Checkpoint("resp_1", 0))
        output = [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]
        assert reader.feed(Frame(json.dumps(ended(output=output)).encode())) == [Chunk("Hi", 0)]

    def test_a_stream_that_begins_anew_is_heard_from_there_on(self) -> None:
        reader = DIALECT.resume(PLAIN, Checkpoint("resp_1", 4, items=1, parts=1))
        again = [CREATED, {**BEGUN, "sequence_number": 1}, delta("Hi", sequence_number=2), {"type": "keepalive"}]
        again += [delta(" there", output_index=1, sequence_number=5), delta("!", output_index=1, sequence_number=6)]
        items = [item for event in again for item in reader.feed(Frame(json.dumps(event).encode()))]
        assert items == [Chunk(" there", 1), Chunk("!", 1)]

    def test_an_error_in_place_of_the_rest_is_heard_whatever_its_number(self) -> None:
        reader = DIALECT.resume(PLAIN, Checkpoint("resp_1", 4))
        with pytest.raises(ProviderError):
            reader.feed(Frame(json.dumps({"type": "error", "sequence_number": 0, "message": "gone"}).encode()))

    def test_what_comes_is_numbered_on(self) -> None:
        reader = DIALECT.resume(PLAIN, Checkpoint("resp_1", 4, items=5, parts=3, tool_calls=2))
        items = reader.feed(Frame(json.dumps(delta("Hi", output_index=5)).encode()))
        items += reader.feed(Frame(json.dumps({**BEGUN, "output_index": 6, "item": CALL}).encode()))
        assert items == [Chunk("Hi", 3), ToolCall("call_1", "add", "", False, 2)]
