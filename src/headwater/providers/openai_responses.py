"""Responses, as OpenAI defined it and as xAI, OpenRouter, DeepSeek, llama.cpp, LM Studio and Amazon speak it.

The stream is https://platform.openai.com/docs/api-reference/responses-streaming: one JSON object an SSE event, which
names itself in `type`. An answer is a list of items (`openai_responses_items`); the last event has the whole of it.

A server that does not stream answers with one `response`. What it holds is put out as if it had been streamed.

The stream is whole at `response.completed` or `response.incomplete`. `response.failed` and `error` end it as failures,
and anything else that ends it, `[DONE]` too, has cut it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import msgspec

from headwater.domain.event import Chunk, FinishReason, ProviderData, Reasoning, Refusal, UsageReport
from headwater.domain.message import GenerationRequest
from headwater.domain.surrogates import replace_surrogates
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.call_ids import CallIds
from headwater.providers.contract import Checkpoint, Decoder, Finish, Frame, Framing, HttpRequest, Item
from headwater.providers.lenient_json import read_json
from headwater.providers.openai_responses_items import (
    CONTENT,
    SUMMARY,
    Key,
    OutputItems,
    Part,
    Text,
    kinds_in,
    whole_items,
)
from headwater.providers.openai_responses_request import (
    ResponsesQuirks,
    background_request,
    cancel_request,
    create_request,
    is_background,
    is_response_id,
    reattach_request,
)
from headwater.providers.openai_usage import RESPONSES, read_usage
from headwater.providers.provider_error import error_words, provider_error, refusal_error

__all__ = ["OpenAIResponses", "ResponsesQuirks"]

#: Why an answer is incomplete, as ours. A word that is not here has cut it short too.
INCOMPLETE_REASONS: Final[dict[str, FinishReason]] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}

_TEXT_DELTA: Final = "response.output_text.delta"
_DONE: Final = b"[DONE]"
_NO_PART: Final = Part(0)


class _Event(msgspec.Struct, gc=False):
    # Any of these may have any shape without the answer being less whole, and is looked at before it is used.
    type: Any = None
    delta: Any = None
    output_index: Any = None
    content_index: Any = None
    item_id: Any = None
    logprobs: Any = None
    sequence_number: Any = None
    summary_index: Any = None
    item: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    annotation: Any = None
    response: Any = None


_decode_event: Final = msgspec.json.Decoder(_Event).decode


class OpenAIResponses:
    """The dialect. `quirks` is the server's row in the catalog; without it the server is OpenAI."""

    name: str = "openai_responses"
    framing: Framing = Framing.SSE
    answers_whole: bool = True

    def __init__(self, quirks: ResponsesQuirks | None = None) -> None:
        self.quirks = quirks or ResponsesQuirks()

    def request(self, request: GenerationRequest) -> HttpRequest:
        return create_request(request, self.quirks)

    def decoder(self, request: GenerationRequest) -> Decoder:
        return ResponsesDecoder(
            self.quirks.provider_name,
            logprobs=request.settings.logprobs is not None,
            checkpoints=is_background(request, self.quirks),
            limit=None if self.quirks.tells_incomplete else request.settings.max_tokens,
            ids=CallIds(request),
        )

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return refusal_error(status, headers, body, provider=self.quirks.provider_name)

    # As `Reattachable`: background mode, https://platform.openai.com/docs/guides/background

    def in_background(self, request: GenerationRequest) -> GenerationRequest:
        return background_request(request, self.quirks)

    def checkpoint(self, event: ProviderData) -> Checkpoint | None:
        if event.provider != self.quirks.provider_name:
            return None
        try:
            place = msgspec.convert(event.value, Checkpoint)
        except msgspec.ValidationError:
            return None
        return place if is_response_id(place.response_id) else None

    def reattach(self, checkpoint: Checkpoint) -> HttpRequest:
        return reattach_request(checkpoint)

    def resume(self, request: GenerationRequest, checkpoint: Checkpoint) -> Decoder:
        return ResponsesDecoder(
            self.quirks.provider_name,
            logprobs=request.settings.logprobs is not None,
            checkpoints=True,
            resumed=checkpoint,
            ids=CallIds(request),
        )

    def cancel(self, checkpoint: Checkpoint) -> HttpRequest:
        return cancel_request(checkpoint)


class ResponsesDecoder:
    """One stream's state. With `checkpoints` it says now and then where it is; `resumed` is where it goes on.

    `limit` is the most tokens that the answer may have, where the server does not say that it was cut by that.
    """

    def __init__(
        self,
        provider: str,
        *,
        logprobs: bool = False,
        checkpoints: bool = False,
        limit: int | None = None,
        resumed: Checkpoint | None = None,
        ids: CallIds | None = None,
    ) -> None:
        self._provider = provider
        self._logprobs = logprobs
        self._checkpoints = checkpoints
        self._limit = limit
        self._items = (
            OutputItems(provider, ids=ids)
            if resumed is None
            else OutputItems(provider, items=resumed.items, parts=resumed.parts, tool_calls=resumed.tool_calls, ids=ids)
        )
        self._response_id = resumed.response_id if resumed is not None else ""
        #: until the first event behind the place where it goes on: the number of that place
        self._passed: int | None = None if resumed is None else resumed.sequence_number
        self._finish: Finish | None = None
        #: the status of a response that failed, and the error that it holds
        self._failed = ""
        self._error: object = None
        self._ended = False
        #: whether text needs more than being handed on
        self._careful = logprobs
        #: the part that the last delta of text was for, and how its events name it
        self._part = _NO_PART
        self._place: tuple[Any, Any, Any] = (None, None, None)

    @property
    def ended(self) -> bool:
        return self._finish is not None or self._failed != ""

    def feed(self, frame: Frame) -> list[Item]:
        if self.ended:
            return []
        try:
            try:
                event = _decode_event(frame.data)
            except msgspec.DecodeError:
                read = self._read_again(frame)
                if read is None:
                    return []
                event = read
            if self._passed is not None and self._was_before(event):
                return []
            if event.type == _TEXT_DELTA and self._is_same_part(event):
                delta = event.delta
                return [Chunk(delta, self._part.index)] if delta.__class__ is str and delta else []
            items: list[Item] = []
            if event.type == "error" or frame.event == "error":
                self._raise_error(frame.data)
            if event.type.__class__ is not str:
                self._take_nameless(frame.data, items)
            elif (take := _TAKES.get(event.type)) is not None:
                take(self, event, items)
                if self._checkpoints:
                    self._mark(event, items)
        except RecursionError:
            raise self._unreadable(frame.data) from None
        return items

    def end(self, clean: bool) -> list[Item]:
        if self._ended:
            return []
        if self._failed:
            raise self._failure()
        if self._finish is None:
            raise Truncated(provider=self._provider, detail="the stream ended without a response's end")
        self._ended = True
        return [self._finish]

    def _was_before(self, event: _Event) -> bool:
        """Whether the event is one that the checkpoint covers: a server that begins anew is not heard twice."""
        number = event.sequence_number
        if self._passed is None or number.__class__ is not int or event.type == "error":
            return False
        if number <= self._passed:
            return True
        self._passed = None
        return False

    def _is_same_part(self, event: _Event) -> bool:
        """Whether nothing has to be done for this delta of text but to hand it on."""
        output, content, item = self._place
        return (
            not self._careful
            and self._part is not _NO_PART
            and event.output_index == output
            and event.content_index == content
            and (output is not None or event.item_id == item)
        )

    # Events of the items.

    def _take_added(self, event: _Event, items: list[Item]) -> None:
        if isinstance(event.item, dict):
            self._part = _NO_PART
            self._items.add(_key(event), event.item, items)

    def _take_done(self, event: _Event, items: list[Item]) -> None:
        if isinstance(event.item, dict):
            self._part = _NO_PART
            self._items.done(_key(event), event.item, items)

    def _take_text(self, event: _Event, items: list[Item]) -> None:
        part = self._items.part(_key(event), (CONTENT, _number(event.content_index)))
        self._part, self._place = part, (event.output_index, event.content_index, event.item_id)
        logprobs = event.logprobs if self._logprobs and isinstance(event.logprobs, list) else None
        value = {"content": self._items.value(logprobs)} if logprobs else None
        self._items.text(Chunk, part, _string(event.delta), items, value)

    def _take_text_done(self, event: _Event, items: list[Item]) -> None:
        self._fill(Chunk, event, CONTENT, event.text, items)

    def _take_refusal(self, event: _Event, items: list[Item]) -> None:
        self._add(Refusal, event, CONTENT, items)

    def _take_refusal_done(self, event: _Event, items: list[Item]) -> None:
        self._fill(Refusal, event, CONTENT, event.refusal, items)

    def _take_reasoning(self, event: _Event, items: list[Item]) -> None:
        self._add(Reasoning, event, CONTENT, items)

    def _take_summary(self, event: _Event, items: list[Item]) -> None:
        self._add(Reasoning, event, SUMMARY, items)

    def _add(self, kind: Text, event: _Event, name: str, items: list[Item]) -> None:
        number = event.content_index if name == CONTENT else event.summary_index
        part = self._items.part(_key(event), (name, _number(number)))
        self._items.text(kind, part, _string(event.delta), items)

    def _fill(self, kind: Text, event: _Event, name: str, text: object, items: list[Item]) -> None:
        part = self._items.part(_key(event), (name, _number(event.content_index)))
        self._items.fill(kind, part, _string(text), items)

    def _take_arguments(self, event: _Event, items: list[Item]) -> None:
        self._items.arguments(_key(event), _string(event.delta), items)

    def _take_arguments_done(self, event: _Event, items: list[Item]) -> None:
        self._items.fill_arguments(_key(event), _string(event.arguments), items)

    def _take_annotation(self, event: _Event, items: list[Item]) -> None:
        if event.annotation:
            part = self._items.part(_key(event), (CONTENT, _number(event.content_index)))
            self._items.annotate(part, event.annotation, items)

    # Events of the whole.

    def _take_begun(self, event: _Event, items: list[Item]) -> None:
        if isinstance(event.response, dict):
            self._response_id = _string(event.response.get("id"))

    def _take_end(self, event: _Event, items: list[Item]) -> None:
        response = event.response if isinstance(event.response, dict) else {}
        status = event.type.removeprefix("response.")
        told = response.get("status")
        if status == "completed" and told in ("incomplete", "failed", "cancelled"):
            # Not every server has an event for each end: what the response says of itself is never better than it is.
            status = str(told)
        self._end_with(response, status, items)

    def _take_nameless(self, data: bytes, items: list[Item]) -> None:
        """A JSON value that does not say what it is: a whole response, an error, or something that is passed over."""
        value = read_json(data)
        if isinstance(value, dict) and not value.get("error") and isinstance(value.get("output"), list):
            self._response_id = _string(value.get("id"))
            self._end_with(value, _string(value.get("status")), items)
        elif isinstance(value, dict) and value.get("status") in ("failed", "cancelled"):
            self._end_with(value, value["status"], items)
        elif error_words(value) is not None:
            self._raise_error(data)

    def _end_with(self, response: Mapping[str, Any], status: str, items: list[Item]) -> None:
        """The response as it stands at its end, or as it stood when it was asked for."""
        if status not in ("completed", "incomplete", "failed", "cancelled"):
            return
        output = response.get("output")
        self._items.fill_rest(whole_items(output), items)
        self._items.finish(items)
        reported = response.get("usage")
        usage = read_usage(reported, RESPONSES) if isinstance(reported, dict) else None
        if usage is not None:
            items.append(UsageReport(usage))
        if status == "completed" and self._limit and usage is not None and usage.output_tokens >= self._limit:
            self._finish = Finish("length", status)
        elif status == "completed":
            self._finish = Finish(self._completed_reason(output), status)
        elif status == "incomplete":
            details = response.get("incomplete_details")
            reason = _string(details.get("reason")) if isinstance(details, dict) else ""
            reason = replace_surrogates(reason) or status
            self._finish = Finish(INCOMPLETE_REASONS.get(reason, "length"), reason)
        else:
            self._failed, self._error = status, response.get("error")

    def _failure(self) -> ProviderError:
        """Told at the end and not at once, so that what the failed answer cost is told first."""
        if self._failed != "cancelled":
            return provider_error(error_words({"error": self._error}), provider=self._provider)
        return ProviderError(
            ErrorCode.SERVER,
            "The model's provider has cancelled the answer.",
            provider=self._provider,
            detail="the response has the status `cancelled`",
        )

    def _completed_reason(self, output: object) -> FinishReason:
        # What was put out before the stream was taken up again is only there.
        kinds = kinds_in(output)
        if self._items.tool_calls or "function_call" in kinds:
            return "tool_calls"
        refused = self._items.has_refusal or "refusal" in kinds
        return "refusal" if refused and not (self._items.has_text or "output_text" in kinds) else "stop"

    def _mark(self, event: _Event, items: list[Item]) -> None:
        """A checkpoint, where nothing is under way that a later decoder would have to know of."""
        number = event.sequence_number
        if event.type not in _MARKS or self._items.is_open or number.__class__ is not int:
            return
        if not is_response_id(self._response_id):
            return
        done = self._items
        place = Checkpoint(self._response_id, number, done.items, done.parts, done.tool_calls)
        items.append(ProviderData(self._provider, msgspec.to_builtins(place)))

    # What is not as it should be.

    def _read_again(self, frame: Frame) -> _Event | None:
        """A frame that the fast decoder refused; None for one without content. Raises PARSE for what is no event."""
        data = frame.data.strip()
        if not data or data == _DONE:
            return None
        value = read_json(data)
        if not isinstance(value, dict):
            if frame.event == "error" or error_words(value) is not None:
                self._raise_error(data)
            raise self._unreadable(data)
        self._careful = self._items.mending = True
        return msgspec.convert(value, _Event)

    def _unreadable(self, data: bytes) -> ProviderError:
        detail = f"a frame of {len(data)} bytes is not an event of a response"
        return ProviderError(ErrorCode.PARSE, provider=self._provider, detail=detail)

    def _raise_error(self, data: bytes) -> NoReturn:
        raise provider_error(error_words(read_json(data)), provider=self._provider)


_Take = Callable[[ResponsesDecoder, _Event, list[Item]], None]

#: What is done with each type of event. One that is not here says nothing about the answer: progress, the beginning
#: and the end of a part, a server tool's code and pictures on their way (its item has them), whatever is new.
_TAKES: Final[dict[str, _Take]] = {
    "response.created": ResponsesDecoder._take_begun,
    "response.output_item.added": ResponsesDecoder._take_added,
    "response.output_item.done": ResponsesDecoder._take_done,
    _TEXT_DELTA: ResponsesDecoder._take_text,
    "response.output_text.done": ResponsesDecoder._take_text_done,
    "response.output_text.annotation.added": ResponsesDecoder._take_annotation,
    "response.refusal.delta": ResponsesDecoder._take_refusal,
    "response.refusal.done": ResponsesDecoder._take_refusal_done,
    "response.reasoning_text.delta": ResponsesDecoder._take_reasoning,
    "response.reasoning_summary_text.delta": ResponsesDecoder._take_summary,
    "response.function_call_arguments.delta": ResponsesDecoder._take_arguments,
    "response.function_call_arguments.done": ResponsesDecoder._take_arguments_done,
    "response.completed": ResponsesDecoder._take_end,
    "response.incomplete": ResponsesDecoder._take_end,
    "response.failed": ResponsesDecoder._take_end,
    "response.cancelled": ResponsesDecoder._take_end,
}
#: After which an answer can be taken up again.
_MARKS: Final = frozenset({"response.created", "response.output_item.done"})


def _key(event: _Event) -> Key:
    if event.output_index.__class__ is int:
        index: int = event.output_index
        return index
    if isinstance(event.item, dict):
        return _string(event.item.get("id")) or _string(event.item.get("call_id"))
    return _string(event.item_id)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
