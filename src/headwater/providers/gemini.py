"""Gemini's `streamGenerateContent`, as Google's own API and Vertex AI speak it.

The stream is https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent: frames that are each a
`GenerateContentResponse`, as events (`alt=sse`) or as the values of one JSON array. Text, thoughts, function calls,
code that Google ran, pictures and its own tools' results are parts of one candidate; citations and grounding stand
beside them.

The stream has no end marker. It is whole where the newest part of the answer came with a finish reason, or the prompt
was blocked, and the body then ended cleanly; an array also needs its last bracket. An error in mid-stream is an object
of its own, among the events too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from headwater.domain.event import Annotation, Chunk, FinishReason, ProviderData, Reasoning, UsageReport
from headwater.domain.message import GenerationRequest, Usage
from headwater.domain.surrogates import REPLACEMENT, replace_surrogates, scrub_surrogates
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.call_ids import CallIds
from headwater.providers.contract import Decoder, Finish, Frame, Framing, HttpRequest, Item
from headwater.providers.gemini_calls import BadArguments, FunctionCall, FunctionCalls
from headwater.providers.gemini_error import google_error, google_refusal
from headwater.providers.gemini_logprobs import token_logprobs
from headwater.providers.gemini_request import GeminiQuirks, model_path, request_body
from headwater.providers.gemini_usage import UsageMetadata, read_usage
from headwater.providers.lenient_json import read_json
from headwater.providers.opaque import fits, fitted
from headwater.providers.provider_error import SENTENCES, error_words
from headwater.providers.surrogate_pairs import SurrogatePairs

__all__ = ["Gemini", "GeminiQuirks"]

#: Google's word for why it stopped, as ours. A word that is not here counts as `stop`.
FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "OTHER": "stop",
    "NO_IMAGE": "stop",
    "IMAGE_OTHER": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
}

#: Words in the same place that are no end of an answer but a failure: the model's, of which another try may make more,
#: or the request's.
FAILURES: Final[dict[str, ErrorCode]] = {
    "MALFORMED_FUNCTION_CALL": ErrorCode.SERVER,
    "MALFORMED_RESPONSE": ErrorCode.SERVER,
    "UNEXPECTED_TOOL_CALL": ErrorCode.SERVER,
    "TOO_MANY_TOOL_CALLS": ErrorCode.SERVER,
    "MISSING_THOUGHT_SIGNATURE": ErrorCode.BAD_REQUEST,
    "PUP_LIMITED_DISABLED": ErrorCode.AUTH,
}

#: The words by their numbers, which some Vertex clients and proxies send in their place (google/cloud/aiplatform/v1).
#: Higher ones differ between versions.
_FINISH_NUMBERS: Final[dict[int, str]] = dict(
    enumerate(
        (
            "",
            "STOP",
            "MAX_TOKENS",
            "SAFETY",
            "RECITATION",
            "OTHER",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "MALFORMED_FUNCTION_CALL",
        )
    )
)
#: What says of nothing in particular that there is none.
_UNSPECIFIED: Final = frozenset({"", "FINISH_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"})


class _Part(msgspec.Struct, gc=False, rename="camel"):
    # What is `Any` is passed on in the provider's own form.
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None
    tool_response: Any = None
    inline_data: Any = None
    file_data: Any = None


#: The parts that are not for the answer's text, by the names of `_Part` and of the wire.
_SERVER_PARTS: Final = (
    ("executable_code", "executableCode"),
    ("code_execution_result", "codeExecutionResult"),
    ("tool_call", "toolCall"),
    ("tool_response", "toolResponse"),
    ("inline_data", "inlineData"),
    ("file_data", "fileData"),
)
#: Those of them that need not be sent back in a later turn.
_PICTURES: Final = frozenset({"inlineData", "fileData"})


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, gc=False, rename="camel"):
    content: _Content | None = None
    finish_reason: str | int | None = None
    finish_message: str | None = None
    index: int | None = None
    citation_metadata: Any = None
    grounding_metadata: Any = None
    url_context_metadata: Any = None
    logprobs_result: Any = None


#: What stands beside the content, by the names of `_Candidate` and of the wire.
_SOURCES: Final = (
    ("citation_metadata", "citationMetadata"),
    ("grounding_metadata", "groundingMetadata"),
    ("url_context_metadata", "urlContextMetadata"),
)


class _Feedback(msgspec.Struct, gc=False, rename="camel"):
    block_reason: str | int | None = None


class _Response(msgspec.Struct, gc=False, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: UsageMetadata | None = None
    error: Any = None


_decode_response: Final = msgspec.json.Decoder(_Response).decode


class Gemini:
    """The dialect. `quirks` is the server's row in the catalog; without it the server is Google's own API."""

    name: str = "gemini"
    framing: Framing = Framing.SSE
    #: a request whose `stream` is False has an answer in one piece
    answers_whole: bool = True

    def __init__(self, quirks: GeminiQuirks | None = None) -> None:
        self.quirks = quirks or GeminiQuirks()
        self.framing = Framing.SSE if self.quirks.events else Framing.JSON_ARRAY

    def request(self, request: GenerationRequest) -> HttpRequest:
        as_events = self.quirks.events and request.stream
        method = "streamGenerateContent" if request.stream else "generateContent"
        path = f"/{model_path(request.model, self.quirks)}:{method}{'?alt=sse' if as_events else ''}"
        accept = "text/event-stream" if as_events else "application/json"
        headers = {"Content-Type": "application/json", "Accept": accept}
        return HttpRequest(path, msgspec.json.encode(request_body(request, self.quirks)), headers=headers)

    def decoder(self, request: GenerationRequest) -> Decoder:
        logprobs = request.settings.logprobs is not None
        return GeminiDecoder(self.quirks.provider_name, logprobs=logprobs, ids=CallIds(request))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return google_refusal(status, headers, body, provider=self.quirks.provider_name)


class GeminiDecoder:
    """One stream's state. Of several candidates only the first is read, for requests never ask for more."""

    def __init__(self, provider: str, *, logprobs: bool = False, ids: CallIds | None = None) -> None:
        self._provider = provider
        self._logprobs = logprobs
        self._ended = False
        #: the finish reason that came with the newest content, or after it
        self._finish: str | None = None
        self._is_blocked = False
        self._calls = FunctionCalls(ids)
        #: the newest report that counts anything; each frame has one, and few of them are told
        self._reported: UsageMetadata | None = None
        self._usage_told: Usage | None = None
        self._sources: dict[str, Any] = {}
        #: from the first string with half a surrogate pair on, text goes the slow way
        self._mending = False
        self._pairs = SurrogatePairs[type[Chunk] | type[Reasoning]]()

    @property
    def ended(self) -> bool:
        """Never: the format has no end marker."""
        return False

    @property
    def interim(self) -> Usage | None:
        usage = self._usage()
        return usage if usage != self._usage_told else None

    def feed(self, frame: Frame) -> list[Item]:
        items: list[Item] = []
        try:
            try:
                response = _decode_response(frame.data)
            except msgspec.DecodeError:
                read = self._read_again(frame.data)
                if read is None:
                    return []
                response = read
            if response.error is not None:
                self._raise_error(frame.data)
            if response.candidates:
                for candidate in response.candidates:
                    if not candidate.index:
                        self._take_candidate(candidate, items)
            elif response.prompt_feedback is None and response.usage_metadata is None:
                self._take_unknown(frame.data)
            if response.prompt_feedback is not None and (reason := _word(response.prompt_feedback.block_reason)):
                self._finish, self._is_blocked = reason, True
            if response.usage_metadata is not None:
                if response.usage_metadata.counts:
                    self._reported = response.usage_metadata
                if self._finish is not None or self._usage_told is None:
                    self._tell_usage(items)
        except BadArguments as exc:
            self._finish = None
            raise ProviderError(ErrorCode.PARSE, provider=self._provider, detail=str(exc)) from None
        except RecursionError:
            raise self._unreadable(frame.data) from None
        return items

    def end(self, clean: bool) -> list[Item]:
        if self._ended:
            return []
        if self._finish is None or not clean:
            seen = "no finish reason with the newest content" if self._finish is None else "no clean end"
            raise Truncated(provider=self._provider, detail=f"the stream ended with {seen}")
        self._ended = True
        items: list[Item] = [kind(REPLACEMENT, 0) for kind in self._pairs.alone()]
        self._calls.finish(items)
        self._tell_usage(items)
        items.append(Finish(self._reason(self._finish), self._finish))
        return items

    def _reason(self, word: str) -> FinishReason:
        if self._is_blocked:
            return "content_filter"
        reason = FINISH_REASONS.get(word, "stop")
        # Google ends a turn that calls functions with STOP.
        return "tool_calls" if reason == "stop" and self._calls else reason

    def _take_candidate(self, candidate: _Candidate, items: list[Item]) -> None:
        parts = candidate.content.parts if candidate.content is not None else None
        if parts:
            # Vertex may send a finish reason with each frame: the answer goes on, so what came with it was none.
            self._finish = None
            logprobs = token_logprobs(candidate.logprobs_result) if self._logprobs else None
            for part in parts:
                if part.text and not part.thought and not self._mending and logprobs is None:
                    items.append(Chunk(part.text, 0))
                    if part.thought_signature is not None:
                        self._take_signature(part, "", items)
                else:
                    self._take_part(part, items, logprobs)
                    logprobs = None
        if candidate.citation_metadata or candidate.grounding_metadata or candidate.url_context_metadata:
            self._take_sources(candidate, items)
        if word := _word(candidate.finish_reason):
            self._take_finish(word, candidate.finish_message, items)

    def _take_part(self, part: _Part, items: list[Item], logprobs: Any) -> None:
        call_id = ""
        if part.text:
            kind: type[Chunk] | type[Reasoning] = Reasoning if part.thought else Chunk
            text = self._pairs.join(kind, part.text) if self._mending else part.text
            if kind is Chunk and logprobs is not None:
                items.append(Chunk(text, 0, None, self._value(logprobs)))
            elif text:
                items.append(kind(text, 0))
        elif part.function_call is not None:
            call_id = self._calls.take(part.function_call, items)
        else:
            for name, wire_name in _SERVER_PARTS:
                if (value := getattr(part, name)) is not None:
                    self._take_server_part(wire_name, value, part.thought_signature, items)
                    if wire_name not in _PICTURES:
                        # Its signature has gone with it.
                        return
        if part.thought_signature is not None:
            self._take_signature(part, call_id, items)

    def _take_server_part(self, name: str, value: Any, signature: str | None, items: list[Item]) -> None:
        """What Google ran for the model: told to people, and kept for Google, which wants it back in a later turn."""
        value = self._value(value)
        items.append(Annotation(self._provider, fitted({name: value})))
        part = {name: value} if signature is None else {name: value, "thoughtSignature": self._value(signature)}
        if name not in _PICTURES and fits(part):
            items.append(ProviderData(self._provider, part))

    def _take_signature(self, part: _Part, call_id: str, items: list[Item]) -> None:
        """A part to send back: what it belongs to, without what the message itself holds."""
        value: dict[str, Any] = {"functionCall": {"id": call_id}} if call_id else {"text": ""}
        if part.thought:
            value["thought"] = True
        value["thoughtSignature"] = part.thought_signature
        # Less than the whole of it would be refused; those of pictures can be longer than the picture.
        if fits(value := self._value(value)):
            items.append(ProviderData(self._provider, value))

    def _take_sources(self, candidate: _Candidate, items: list[Item]) -> None:
        """Some are repeated with each frame; they are told when they change."""
        for name, wire_name in _SOURCES:
            value = getattr(candidate, name)
            if value and self._sources.get(name) != value:
                self._sources[name] = value
                items.append(Annotation(self._provider, fitted({wire_name: self._value(value)})))

    def _take_finish(self, word: str, message: str | None, items: list[Item]) -> None:
        if word in FAILURES:
            code = FAILURES[word]
            detail = replace_surrogates(f"finishReason {word[:100]}: {(message or '')[:200]}")
            raise ProviderError(code, SENTENCES[code], provider=self._provider, detail=detail)
        self._finish = replace_surrogates(word)
        self._calls.finish(items)

    def _usage(self) -> Usage | None:
        # Before the end it says what was asked, and of the answer only its beginning.
        return None if self._reported is None else read_usage(self._reported, final=self._finish is not None)

    def _tell_usage(self, items: list[Item]) -> None:
        usage = self._usage()
        if usage is not None and usage != self._usage_told:
            self._usage_told = usage
            items.append(UsageReport(usage))

    def _value(self, value: Any) -> Any:
        """A value in the provider's own form, fit to be encoded."""
        return scrub_surrogates(value) if self._mending else value

    def _read_again(self, data: bytes) -> _Response | None:
        """A frame that the fast decoder refused; None for one without content. Raises PARSE for what is no answer."""
        if not data or data.isspace():
            return None
        value = read_json(data)
        if error_words(value) is not None:
            self._raise_error(data)
        try:
            response = msgspec.convert(value, _Response)
        except (msgspec.ValidationError, UnicodeEncodeError):
            # Without the cause, which may quote the answer.
            raise self._unreadable(data) from None
        self._mending = self._calls.mending = True
        return response

    def _take_unknown(self, data: bytes) -> None:
        """A JSON object without an answer: an error in a proxy's own form, or something that is passed over."""
        if error_words(read_json(data)) is not None:
            self._raise_error(data)

    def _unreadable(self, data: bytes) -> ProviderError:
        # Something came after what was finished, and nobody knows what: at a cut it was the rest of the answer.
        self._finish = None
        detail = f"a frame of {len(data)} bytes is not an answer of generateContent"
        return ProviderError(ErrorCode.PARSE, provider=self._provider, detail=detail)

    def _raise_error(self, data: bytes) -> NoReturn:
        self._finish = None
        raise google_error(read_json(data), provider=self._provider)


def _word(reason: str | int | None) -> str:
    """A reason in words, "" for none."""
    if isinstance(reason, int):
        reason = _FINISH_NUMBERS.get(reason, str(reason))
    return "" if reason is None or reason in _UNSPECIFIED else reason
