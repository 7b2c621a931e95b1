"""Chat Completions, as OpenAI defined it and as every compatible server speaks it.

The stream is https://platform.openai.com/docs/api-reference/chat-streaming: one JSON chunk an SSE event, `[DONE]` at
the end. What other servers add is read too: `reasoning_content` (DeepSeek, xAI, Alibaba), `reasoning` (Groq,
Cerebras), `reasoning_details` (OpenRouter, Snowflake), content as a list of parts (Mistral), `citations` and
`search_results` (Perplexity), `executed_tools` and `x_groq.usage` (Groq), costs (OpenRouter, Perplexity, xAI).

A server that does not stream answers with one `chat.completion`; its messages are read as deltas that are complete.

The stream is whole at `[DONE]`, or with a finish reason and then a clean end of the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from headwater.domain.event import Annotation, Chunk, FinishReason, ProviderData, Reasoning, Refusal, UsageReport
from headwater.domain.message import GenerationRequest, Usage
from headwater.domain.surrogates import REPLACEMENT, replace_surrogates, scrub_surrogates
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.call_ids import CallIds
from headwater.providers.contract import Decoder, Finish, Frame, Framing, HttpRequest, Item
from headwater.providers.lenient_json import read_json
from headwater.providers.opaque import fits, fitted
from headwater.providers.openai_chat_reasoning import KeptReasoning, ReasoningField
from headwater.providers.openai_chat_request import Quirks, request_body
from headwater.providers.openai_chat_tools import ToolCalls, ToolDelta, ToolFunction
from headwater.providers.openai_usage import CHAT, read_usage
from headwater.providers.provider_error import SENTENCES, error_words, provider_error, refusal_error
from headwater.providers.surrogate_pairs import SurrogatePairs

__all__ = ["OpenAIChat", "Quirks"]

#: The provider's word for why it stopped, in lower case, as ours. A word that is not here counts as `stop`.
FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
    "refusal": "refusal",
}

#: Words in the same place that are no end of an answer but a failure (OpenRouter and Mistral, vLLM, DeepSeek).
FAILURES: Final[dict[str, ErrorCode]] = {
    "error": ErrorCode.SERVER,
    "abort": ErrorCode.SERVER,
    "insufficient_system_resource": ErrorCode.OVERLOADED,
}

_DONE: Final = b"[DONE]"


class _Delta(msgspec.Struct, gc=False):
    # What is `Any` may have any shape without the answer being less whole, and is looked at before it is used.
    content: str | list[Any] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: str | None = None
    tool_calls: list[ToolDelta] | None = None
    function_call: ToolFunction | None = None
    annotations: Any = None
    executed_tools: Any = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    #: in place of deltas, where a server answers with the whole at once
    message: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = None
    logprobs: Any = None
    #: how OpenRouter says that whoever answers for it has failed: https://openrouter.ai/docs/api-reference/overview
    error: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    error: Any = None
    usage: Any = None
    x_groq: Any = None
    citations: Any = None
    search_results: Any = None


_decode_chunk: Final = msgspec.json.Decoder(_Chunk).decode


class OpenAIChat:
    """The dialect. `quirks` is the server's row in the catalog; without it the server is OpenAI."""

    name: str = "openai_chat"
    framing: Framing = Framing.SSE
    answers_whole: bool = True

    def __init__(self, quirks: Quirks | None = None) -> None:
        self.quirks = quirks or Quirks()

    def request(self, request: GenerationRequest) -> HttpRequest:
        body = msgspec.json.encode(request_body(request, self.quirks))
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if request.stream else "application/json",
        }
        return HttpRequest("/chat/completions", body, headers=headers)

    def decoder(self, request: GenerationRequest) -> Decoder:
        logprobs = request.settings.logprobs is not None
        return OpenAIChatDecoder(
            self.quirks.provider_name,
            logprobs=logprobs,
            ids=CallIds(request),
            reasoning_field=self.quirks.reasoning_field,
        )

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return refusal_error(status, headers, body, provider=self.quirks.provider_name)


class OpenAIChatDecoder:
    """One stream's state. Of several choices only the first is read, for requests never ask for more."""

    def __init__(
        self,
        provider: str,
        *,
        logprobs: bool = False,
        ids: CallIds | None = None,
        reasoning_field: ReasoningField = "",
    ) -> None:
        self._provider = provider
        self._kept = KeptReasoning(reasoning_field) if reasoning_field else None
        self._logprobs = logprobs
        #: whether `[DONE]` was seen
        self.ended = False
        self._is_finished = False
        #: the last finish reason of the choice; a gateway may send it twice, or one a turn of its own
        self._finish: str | None = None
        self._tools = ToolCalls(ids)
        self._has_text = False
        self._has_refusal = False
        self._usage: Usage | None = None
        self._usage_told: Usage | None = None
        self._sources: dict[str, Any] = {}
        #: from the first string with half a surrogate pair on, text goes the slow way
        self._mending = False
        #: whether content needs more than being handed on
        self._careful = logprobs
        self._pairs: SurrogatePairs[type[Chunk | Reasoning | Refusal]] = SurrogatePairs()

    @property
    def interim(self) -> Usage | None:
        return self._usage if self._usage != self._usage_told else None

    def feed(self, frame: Frame) -> list[Item]:
        if self.ended:
            return []
        items: list[Item] = []
        try:
            try:
                chunk = _decode_chunk(frame.data)
            except msgspec.DecodeError:
                read = self._read_again(frame)
                if read is None:
                    return []
                chunk = read
            if chunk.error or frame.event == "error":
                self._raise_error(frame.data)
            if chunk.choices is None:
                self._take_unknown(frame.data)
            else:
                for choice in chunk.choices:
                    if not choice.index:
                        self._take_choice(choice, items)
            if chunk.usage is not None or chunk.x_groq is not None:
                self._take_usage(chunk, items)
            if chunk.citations is not None or chunk.search_results is not None:
                self._take_sources(chunk, items)
        except RecursionError:
            raise self._unreadable(frame.data) from None
        return items

    def end(self, clean: bool) -> list[Item]:
        if self._is_finished:
            return []
        if not self.ended and not (clean and self._finish is not None):
            seen = "a finish reason and no clean end" if self._finish is not None else "no finish reason"
            raise Truncated(provider=self._provider, detail=f"the stream ended with {seen}, and without [DONE]")
        self._is_finished = True
        items: list[Item] = [kind(REPLACEMENT, 0) for kind in self._pairs.alone()]
        self._tools.finish(items)
        if self._kept is not None:
            values = self._kept.values(has_calls=bool(self._tools))
            items += [ProviderData(self._provider, self._value(each)) for each in values]
        self._tell_usage(items)
        items.append(Finish(self._reason(), self._finish or ""))
        return items

    def _reason(self) -> FinishReason:
        if self._finish is None:
            reason: FinishReason = "tool_calls" if self._tools else "stop"
        else:
            reason = FINISH_REASONS.get(self._finish.lower(), "stop")
        # OpenAI ends a refusal with `stop`.
        return "refusal" if reason == "stop" and self._has_refusal and not self._has_text else reason

    def _take_choice(self, choice: _Choice, items: list[Item]) -> None:
        delta = choice.delta if choice.delta is not None else choice.message
        if delta is not None:
            content = delta.content
            if delta.reasoning_content or delta.reasoning or delta.reasoning_details:
                self._take_reasoning(delta, items)
            if content.__class__ is str and content and not self._careful:
                self._has_text = True
                items.append(Chunk(content, 0))
            elif content or self._careful:
                self._take_content(content or "", choice, items)
            if delta.refusal:
                self._has_refusal = True
                self._take_text(Refusal, delta.refusal, items)
            if delta.tool_calls:
                for position, piece in enumerate(delta.tool_calls):
                    self._tools.take(position if piece.index is None else piece.index, piece, items)
            if delta.function_call is not None:
                self._tools.take(ToolCalls.LEGACY, ToolDelta(function=delta.function_call), items)
            if delta.annotations or delta.executed_tools:
                self._take_annotations(delta, items)
        if choice.error:
            raise provider_error(error_words({"error": choice.error}), provider=self._provider)
        if choice.finish_reason:
            self._finish = replace_surrogates(choice.finish_reason)
            if (word := self._finish.lower()) in FAILURES:
                code = FAILURES[word]
                raise ProviderError(code, SENTENCES[code], provider=self._provider, detail=f"finish_reason {word}")
            self._tools.finish(items)

    def _take_content(self, content: str | list[Any], choice: _Choice, items: list[Item]) -> None:
        if isinstance(content, list):
            self._take_parts(content, items)
            return
        self._has_text = self._has_text or bool(content)
        logprobs = choice.logprobs if self._logprobs else None
        if isinstance(logprobs, dict) and logprobs.get("content"):
            text = self._pairs.join(Chunk, content) if self._mending else content
            items.append(Chunk(text, 0, None, self._value(logprobs)))
        else:
            self._take_text(Chunk, content, items)

    def _take_text(self, kind: type[Chunk | Reasoning | Refusal], text: str, items: list[Item]) -> None:
        if self._mending:
            text = self._pairs.join(kind, text)
        if text:
            items.append(kind(text, 0))

    def _take_reasoning(self, delta: _Delta, items: list[Item]) -> None:
        """One of the three forms, for a gateway sends the same words in two of them."""
        text = delta.reasoning_content or delta.reasoning
        if not isinstance(text, str):
            text = ""
        details: list[dict[str, Any]] = []
        if delta.reasoning_details:
            given = delta.reasoning_details if isinstance(delta.reasoning_details, list) else []
            details = [each for each in given if isinstance(each, dict)]
            if not text:
                words = [each.get("text") or each.get("summary") for each in details]
                text = "".join(each for each in words if isinstance(each, str))
            for each in details if self._kept is None else ():
                # Less than the whole of it would be refused.
                if (each.get("data") or each.get("signature")) and fits(value := self._value(each)):
                    items.append(ProviderData(self._provider, value))
        if self._kept is not None:
            self._kept.take(text, details)
        self._take_text(Reasoning, text, items)

    def _take_parts(self, parts: list[Any], items: list[Item]) -> None:
        for part in parts:
            match part:
                case {"type": "text", "text": str(text)}:
                    self._has_text = self._has_text or bool(text)
                    self._take_text(Chunk, text, items)
                case {"type": "thinking", "thinking": str(text)}:
                    self._take_text(Reasoning, text, items)
                case {"type": "thinking", "thinking": list(thoughts)}:
                    texts = [each.get("text") for each in thoughts if isinstance(each, dict)]
                    self._take_text(Reasoning, "".join(each for each in texts if isinstance(each, str)), items)
                case _:
                    self._annotate(part, items)

    def _take_annotations(self, delta: _Delta, items: list[Item]) -> None:
        if isinstance(delta.annotations, list):
            for each in delta.annotations:
                self._annotate(each, items)
        if delta.executed_tools:
            self._annotate({"executed_tools": delta.executed_tools}, items)

    def _take_sources(self, chunk: _Chunk, items: list[Item]) -> None:
        """Perplexity repeats its sources on every chunk; they are told when they change."""
        for name, value in (("citations", chunk.citations), ("search_results", chunk.search_results)):
            if value and self._sources.get(name) != value:
                self._sources[name] = value
                self._annotate({name: value}, items)

    def _annotate(self, value: Any, items: list[Item]) -> None:
        """OpenRouter's annotation of a file holds all that it read in it, its pictures too."""
        items.append(Annotation(self._provider, fitted(self._value(value))))

    def _take_usage(self, chunk: _Chunk, items: list[Item]) -> None:
        """Some report with every chunk: until the answer is finished only the newest is kept, then each is told.

        What came in one piece is told of at once: it costs the same without a finish reason.
        """
        reported = chunk.usage
        if not isinstance(reported, dict) and isinstance(chunk.x_groq, dict):
            reported = chunk.x_groq.get("usage")
        if not isinstance(reported, dict) or not reported:
            return
        if (usage := read_usage(reported, CHAT)) is None:
            return
        self._usage = usage
        if self._finish is not None or (chunk.choices and chunk.choices[0].message is not None):
            self._tell_usage(items)

    def _tell_usage(self, items: list[Item]) -> None:
        if self._usage is not None and self._usage != self._usage_told:
            self._usage_told = self._usage
            items.append(UsageReport(self._usage))

    def _value(self, value: Any) -> Any:
        """A value in the provider's own form, fit to be encoded."""
        return scrub_surrogates(value) if self._mending else value

    def _read_again(self, frame: Frame) -> _Chunk | None:
        """A frame that the fast decoder refused; None for one without content. Raises PARSE for what is no chunk."""
        data = frame.data.strip()
        if data == _DONE:
            self.ended = True
            return None
        if frame.event == "error":
            self._raise_error(data)
        if not data:
            return None
        value = read_json(data)
        has_choices = isinstance(value, dict) and bool(value.get("choices"))
        if not has_choices and error_words(value) is not None:
            self._raise_error(data)
        try:
            chunk = msgspec.convert(value, _Chunk)
        except (msgspec.ValidationError, UnicodeEncodeError):
            # Without the cause, which may quote the answer.
            raise self._unreadable(data) from None
        self._mending = self._careful = self._tools.mending = True
        return chunk

    def _unreadable(self, data: bytes) -> ProviderError:
        detail = f"a frame of {len(data)} bytes is not a chat completion chunk"
        return ProviderError(ErrorCode.PARSE, provider=self._provider, detail=detail)

    def _take_unknown(self, data: bytes) -> None:
        """A JSON object without choices: an error in a server's own form, or something that is passed over."""
        if error_words(read_json(data)) is not None:
            self._raise_error(data)

    def _raise_error(self, data: bytes) -> NoReturn:
        raise provider_error(error_words(read_json(data)), provider=self._provider)
