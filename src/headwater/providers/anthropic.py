"""Messages, as Anthropic defined it and as compatible servers (llama.cpp, vLLM, Ollama, LM Studio) speak it.

The stream is https://platform.claude.com/docs/en/build-with-claude/streaming: `message_start`; for each content block
a `content_block_start`, deltas and a `content_block_stop`; `message_delta` with the reason for the end and the usage;
`message_stop`. `ping` may come anywhere and `error` at any time. New types of events, blocks and deltas may come
without notice. Frames are told apart by their `type`, whatever the SSE event is called, if it is called anything.

A server that does not stream answers with one `message`; its blocks are read as ones that are begun and stopped.

The stream is whole at `message_stop`, and only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, NoReturn

import msgspec

from headwater.domain.event import Chunk, FinishReason, ProviderData, Reasoning, Refusal, UsageReport
from headwater.domain.message import GenerationRequest, Usage
from headwater.domain.surrogates import REPLACEMENT, scrub_surrogates
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.anthropic_blocks import Delta, Json, OpenBlock, OtherBlock, TextBlock, ThinkingBlock, ToolBlock
from headwater.providers.anthropic_request import Quirks, beta_header, request_body
from headwater.providers.anthropic_usage import Tokens
from headwater.providers.call_ids import CallIds
from headwater.providers.contract import Decoder, Finish, Frame, Framing, HttpRequest, Item
from headwater.providers.lenient_json import read_json
from headwater.providers.provider_error import error_words, provider_error, refusal_error
from headwater.providers.surrogate_pairs import SurrogatePairs

__all__ = ["Anthropic", "Quirks"]

#: The version of the API, not of a model; there has been no other since: https://platform.claude.com/docs/en/api/versioning
VERSION: Final = "2023-06-01"

#: The provider's word for why it stopped, as ours. A word that is not here counts as `stop`.
FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    # A turn of server tools that is to be sent back as it is, for the model to go on with.
    "pause_turn": "stop",
    "compaction": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}

#: The types of frames that say something here.
_TYPES: Final = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "message",
        "error",
    }
)
#: Blocks follow one another; so many at once is no answer.
_OPEN_MAX: Final = 256
#: A delta's strings that are cut anywhere, in the middle of a surrogate pair too.
_TEXTS: Final = ("text", "thinking", "partial_json")

_Index = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


class _Message(msgspec.Struct, gc=False):
    content: list[Any] | None = None
    stop_reason: str | None = None
    stop_details: Any = None
    container: Any = None
    usage: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: _Index = 0
    delta: Delta | None = None
    content_block: Json | None = None
    message: _Message | None = None
    usage: Any = None
    error: Any = None


_decode_event: Final = msgspec.json.Decoder(_Event).decode


class Anthropic:
    """The dialect. `quirks` is the server's row in the catalog; without it the server is Anthropic."""

    name: str = "anthropic"
    framing: Framing = Framing.SSE
    answers_whole: bool = True

    def __init__(self, quirks: Quirks | None = None) -> None:
        self.quirks = quirks or Quirks()

    def request(self, request: GenerationRequest) -> HttpRequest:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if request.stream else "application/json",
            "anthropic-version": VERSION,
        }
        if betas := beta_header(request, self.quirks):
            headers["anthropic-beta"] = betas
        return HttpRequest("/messages", msgspec.json.encode(request_body(request, self.quirks)), headers=headers)

    def decoder(self, request: GenerationRequest) -> Decoder:
        return AnthropicDecoder(self.quirks.provider_name, CallIds(request))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return refusal_error(status, headers, body, provider=self.quirks.provider_name)


class AnthropicDecoder:
    """One stream's state. What follows `message_stop` is not read."""

    def __init__(self, provider: str, ids: CallIds | None = None) -> None:
        self._provider = provider
        self._open: dict[int, OpenBlock] = {}
        self._tool_ids = CallIds() if ids is None else ids
        self._tokens = Tokens()
        self._usage_told: Usage | None = None
        self._stop_reason: str | None = None
        self._done = False
        self._ended = False
        #: from the first string with half a surrogate pair on, every frame goes the slow way
        self._mending = False
        self._pairs: SurrogatePairs[tuple[str, int]] = SurrogatePairs()

    @property
    def ended(self) -> bool:
        return self._done

    def feed(self, frame: Frame) -> list[Item]:
        if self._done:
            return []
        items: list[Item] = []
        try:
            event = None if self._mending else _read(frame.data)
            if event is None:
                event = self._read_again(frame)
                if event is None:
                    return items
            delta = event.delta
            if delta is not None and event.type == "content_block_delta":
                # Nearly every frame is one of these two.
                if delta.text and delta.type == "text_delta":
                    items.append(Chunk(delta.text, event.index))
                elif (block := self._open.get(event.index)) is not None:
                    block.take(delta, items)
                elif delta.thinking:
                    items.append(Reasoning(delta.thinking, event.index))
            else:
                self._take(event, frame, items)
        except RecursionError:
            raise self._unreadable(frame.data) from None
        return items

    def end(self, clean: bool) -> list[Item]:
        if self._ended:
            return []
        if not self._done:
            seen = "a stop reason" if self._stop_reason is not None else "no stop reason"
            raise Truncated(provider=self._provider, detail=f"the stream ended with {seen}, and without message_stop")
        self._ended = True
        items: list[Item] = []
        for index in list(self._open):
            self._stop_block(index, items)
        for name, index in self._pairs.alone():
            if name != "partial_json":
                items.append((Chunk if name == "text" else Reasoning)(REPLACEMENT, index))
        self._tell_usage(items, final=True)
        items.append(Finish(self._reason(), self._stop_reason or ""))
        return items

    def _reason(self) -> FinishReason:
        if self._stop_reason is None:
            return "tool_calls" if self._tool_ids else "stop"
        return FINISH_REASONS.get(self._stop_reason, "stop")

    def _take(self, event: _Event, frame: Frame, items: list[Item]) -> None:
        """A frame that is no delta of a block."""
        if event.error or event.type == "error" or frame.event == "error":
            self._raise_error(frame.data)
        match event.type:
            case "content_block_start" if event.content_block is not None:
                self._start_block(event.content_block, event.index, items)
            case "content_block_stop":
                self._stop_block(event.index, items)
            case "message_start" if event.message is not None:
                self._take_message(event.message, items)
                self._tell_usage(items, final=False)
            case "message_delta":
                if event.delta is not None:
                    self._take_end(event.delta, items)
                self._tokens.take(event.usage)
                self._tell_usage(items, final=True)
            case "message_stop":
                self._done = True
            case "message":
                self._take_whole(frame.data, items)
            case "" if error_words(read_json(frame.data)) is not None:
                self._raise_error(frame.data)
            case _:
                pass

    def _take_whole(self, data: bytes, items: list[Item]) -> None:
        """A message that is no stream. It is whole where it says why it ended."""
        try:
            message = msgspec.convert(scrub_surrogates(read_json(data)), _Message)
        except (msgspec.ValidationError, UnicodeEncodeError):
            raise self._unreadable(data) from None
        self._take_message(message, items)
        self._done = message.stop_reason is not None

    def _take_message(self, message: _Message, items: list[Item]) -> None:
        """A message with what it holds already: all of it, or nothing where a stream begins with it."""
        for index, block in enumerate(message.content or []):
            if isinstance(block, dict):
                self._start_block(block, index, items)
                self._stop_block(index, items)
        self._tokens.take(message.usage)
        end = Delta(stop_reason=message.stop_reason, stop_details=message.stop_details, container=message.container)
        self._take_end(end, items)

    def _take_end(self, delta: Delta, items: list[Item]) -> None:
        if delta.stop_reason is not None:
            self._stop_reason = delta.stop_reason
        if delta.stop_reason == "refusal" and isinstance(delta.stop_details, dict):
            explanation = delta.stop_details.get("explanation")
            if isinstance(explanation, str) and explanation:
                items.append(Refusal(explanation, 0))
        if isinstance(delta.container, dict) and isinstance(delta.container.get("id"), str):
            items.append(ProviderData(self._provider, {"container": delta.container}))

    def _start_block(self, block: Json, index: int, items: list[Item]) -> None:
        if index in self._open:
            self._stop_block(index, items)
        if len(self._open) >= _OPEN_MAX:
            raise ProviderError(ErrorCode.PARSE, provider=self._provider, detail=f"{_OPEN_MAX} blocks at once")
        match block.get("type"):
            case "text":
                self._open[index] = TextBlock(block, index, self._provider, items)
            case "thinking":
                self._open[index] = ThinkingBlock(block, index, self._provider, items)
            case "tool_use":
                at = len(self._tool_ids)
                given = block.get("id")
                id = self._tool_ids.unique(given if isinstance(given, str) and given else f"toolu_{at}", at)
                self._open[index] = ToolBlock(block, at, id, items)
            case str():
                self._open[index] = OtherBlock(block, index, self._provider)
            case _:
                pass

    def _stop_block(self, index: int, items: list[Item]) -> None:
        block = self._open.pop(index, None)
        if block is None:
            return
        for name in _TEXTS:
            if self._pairs.is_alone((name, index)):
                block.take(Delta(**{name: REPLACEMENT}), items)
        block.stop(items)

    def _tell_usage(self, items: list[Item], *, final: bool) -> None:
        usage = self._tokens.usage(final=final)
        if usage is not None and usage != self._usage_told:
            self._usage_told = usage
            items.append(UsageReport(usage))

    def _read_again(self, frame: Frame) -> _Event | None:
        """A frame that the fast decoder refused; None for one that says nothing. Raises PARSE."""
        data = frame.data.strip()
        if not data or data == b"[DONE]" or (frame.event and frame.event not in _TYPES):
            return None
        value = read_json(data)
        has_error = isinstance(value, dict) and (value.get("error") or value.get("type") == "error")
        if has_error or frame.event == "error":
            self._raise_error(data)
        if not isinstance(value, dict):
            raise self._unreadable(data)
        if isinstance(value.get("type"), str) and value["type"] not in _TYPES:
            return None
        self._mending = True
        try:
            return msgspec.convert(self._mended(value), _Event)
        except (msgspec.ValidationError, UnicodeEncodeError):
            # Without the cause, which may quote the answer.
            raise self._unreadable(data) from None

    def _mended(self, value: Json) -> Json:
        """The frame with whole characters only: of a delta's texts half a pair at the end waits for the next."""
        delta, index = value.get("delta"), value.get("index")
        mended: Json = scrub_surrogates(value)
        if isinstance(delta, dict) and isinstance(index, int):
            for name in _TEXTS:
                if isinstance(text := delta.get(name), str):
                    mended["delta"][name] = self._pairs.join((name, index), text)
        return mended

    def _unreadable(self, data: bytes) -> ProviderError:
        detail = f"a frame of {len(data)} bytes is not an event of a message"
        return ProviderError(ErrorCode.PARSE, provider=self._provider, detail=detail)

    def _raise_error(self, data: bytes) -> NoReturn:
        raise provider_error(error_words(read_json(data)), provider=self._provider)


def _read(data: bytes) -> _Event | None:
    try:
        return _decode_event(data)
    except msgspec.DecodeError:
        return None
