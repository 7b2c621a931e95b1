"""Streams of servers that do not speak the envelope, read as the records that they would be.

None of these forms numbers its events, so the records are counted from 1 as they come, and their `t` is 0. They can not
be resumed either: a connection that breaks in mid-answer is an error, never an end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, get_args

import msgspec

from headwater.client.errors import ParseError
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.errors import ErrorCode
from headwater.wire.sse import Frame

JsonObject = dict[str, Any]

#: The end that Chat Completions made a habit of many.
DONE: Final = b"[DONE]"
_FINISH_REASONS: Final = frozenset(get_args(ev.FinishReason))
_CODES: Final = frozenset(code.value for code in ErrorCode)
_OTHER_FINISH_REASONS: Final = {"function_call": "tool_calls", "max_tokens": "length", "end_turn": "stop"}
#: What servers call the kinds of their events, in the forms that have a `type`.
_TEXT_TYPES: Final = frozenset({"chunk", "content", "text", "token", "delta", "message"})
_REASONING_TYPES: Final = frozenset({"reasoning", "thinking"})
_STATUS_TYPES: Final = frozenset({"status", "progress", "start"})
_END_TYPES: Final = frozenset({"complete", "done", "end", "final"})
_ERROR_TYPES: Final = frozenset({"error"})
#: What stands for no error where the member is always there.
_NO_ERROR: Final = (None, False, "")
#: Of an end with a type, what its other members are beside: those are the application's result.
_OWN_MEMBERS: Final = frozenset({"type", "chunk", "content", "text", "message", "final_response", "error"})
TYPES: Final = _TEXT_TYPES | _REASONING_TYPES | _STATUS_TYPES | _END_TYPES | _ERROR_TYPES


def json_object(data: bytes) -> JsonObject | None:
    """The JSON object that `data` is; None for anything else, other JSON too."""
    if not data.lstrip().startswith(b"{"):
        return None
    try:
        value = msgspec.json.decode(data)
    except msgspec.MsgspecError:
        return None
    return value if isinstance(value, dict) else None


def is_openai_chunk(first: JsonObject) -> bool:
    """`{"object":"chat.completion.chunk","choices":[…]}`, or the error that stands in its place."""
    return isinstance(first.get("choices"), list) or isinstance(first.get("error"), dict)


def is_token(first: JsonObject) -> bool:
    """`{"token":"Hello","done":false}`, `{"done":true,"fullText":…}`, or `{"error":…,"message":…}`."""
    return isinstance(first.get("token"), str) or isinstance(first.get("done"), bool) or _is_text(first.get("error"))


def is_typed(first: JsonObject) -> bool:
    """`{"chunk":"Hello","type":"status"}` or `{"type":"chunk","content":"Hello"}`."""
    return isinstance(first.get("chunk"), str) or (isinstance(first.get("type"), str) and first["type"] in TYPES)


class _Counted:
    """Numbers a stream's events."""

    name = ""

    def __init__(self) -> None:
        self._seq = 0

    def _records(self, *events: ev.Event) -> list[ev.Record]:
        records = [ev.Record(seq, 0, event) for seq, event in enumerate(events, self._seq + 1)]
        self._seq += len(records)
        return records

    def end(self) -> list[ev.Record]:
        return []


class _Objects(_Counted):
    """A form whose data are JSON objects; each has its own way of reading one."""

    def read(self, frame: Frame) -> list[ev.Record]:
        if frame.data.strip() == DONE:
            return self._records(*self._done())
        value = json_object(frame.data)
        if value is None:
            # Without the bytes: they are somebody's prompt or answer.
            raise ParseError("The server sent data that is not a JSON object, in a stream of such")
        if value.get("error") not in _NO_ERROR:
            return self._records(_error(value))
        return self._records(*self._events(value))

    def _events(self, value: JsonObject) -> list[ev.Event]:
        raise NotImplementedError

    def _done(self) -> list[ev.Event]:
        return [_complete()]


class RawText(_Counted):
    """Text as it stands, a piece a frame. `[DONE]` or the clean end of the body is its end; it has no other."""

    name = "raw text"

    def read(self, frame: Frame) -> list[ev.Record]:
        if frame.data.strip() == DONE:
            return self._records(_complete())
        text = frame.data.decode(errors="replace")
        if frame.event == "error":
            return self._records(ev.Error(ErrorCode.SERVER, text or "The server reported an error", False))
        return self._records(ev.Chunk(text, 0)) if text else []

    def end(self) -> list[ev.Record]:
        return self._records(_complete())


class Tokens(_Objects):
    """`{"token":"Hello","done":false}` … `{"token":"","done":true,"fullText":"…"}`."""

    name = "tokens"

    def __init__(self) -> None:
        super().__init__()
        self._said = False

    def _events(self, value: JsonObject) -> list[ev.Event]:
        events: list[ev.Event] = []
        token, whole = _text(value, "token"), _text(value, "fullText")
        done = value.get("done") is True
        # An answer that came in one piece may be in its end only.
        if shown := token or (whole if done and not self._said else ""):
            self._said = True
            events.append(ev.Chunk(shown, 0))
        if done:
            events.append(_complete(final_response=whole or None))
        return events


class Typed(_Objects):
    """`{"chunk":"Hello","type":"status"}` and `{"type":"chunk","content":"Hello"}`: a type, and a text beside it."""

    name = "typed"

    def _events(self, value: JsonObject) -> list[ev.Event]:
        kind = _text(value, "type") or "chunk"
        text = next((found for name in ("chunk", "content", "text", "message") if (found := _text(value, name))), "")
        for kinds, make in self._MAKE:
            if kind in kinds:
                return make(value, text)
        if kind == ev.Context.type and isinstance(context := value.get("context"), dict):
            return [ev.Context(context)]
        return [ev.Unknown(kind, value)] if kind not in ev.EVENT_TYPES else []

    _MAKE: tuple[tuple[frozenset[str], Callable[[JsonObject, str], list[ev.Event]]], ...] = (
        (_TEXT_TYPES, lambda _, text: [ev.Chunk(text, 0)] if text else []),
        (_REASONING_TYPES, lambda _, text: [ev.Reasoning(text, 0)] if text else []),
        (_STATUS_TYPES, lambda value, text: [ev.Status("streaming", text, _fraction(value.get("progress")))]),
        (_END_TYPES, lambda value, text: [_typed_end(value, text)]),
        (_ERROR_TYPES, lambda value, text: [_error({"error": {**value, "message": text}})]),
    )


class OpenAIChunks(_Objects):
    """Chat Completions. Whole with `[DONE]`, or with a finish reason for the choice and then a clean end of the body.

    https://platform.openai.com/docs/api-reference/chat-streaming
    """

    name = "openai chunks"

    def __init__(self) -> None:
        super().__init__()
        self._finish_reason: str | None = None
        self._usage = Usage()
        #: by place: the id and name of each tool call, which only its first piece carries
        self._tools: dict[int, tuple[str, str]] = {}

    def end(self) -> list[ev.Record]:
        return self._records(*self._done()) if self._finish_reason is not None else []

    def _done(self) -> list[ev.Event]:
        ended = [ev.ToolCall(id_, name, "", True, place) for place, (id_, name) in self._tools.items()]
        return [*ended, _complete(self._finish_reason, self._usage)]

    def _events(self, value: JsonObject) -> list[ev.Event]:
        if isinstance(usage := value.get("usage"), dict):
            self._usage = Usage(
                input_tokens=_count(usage.get("prompt_tokens")), output_tokens=_count(usage.get("completion_tokens"))
            )
        events: list[ev.Event] = []
        for choice in _objects(value.get("choices")):
            if isinstance(reason := choice.get("finish_reason"), str):
                self._finish_reason = reason
            delta, index = choice.get("delta"), _count(choice.get("index"))
            if isinstance(delta, dict):
                events += self._delta(delta, index)
        return events

    def _delta(self, delta: JsonObject, index: int) -> list[ev.Event]:
        events: list[ev.Event] = []
        if thought := _text(delta, "reasoning_content") or _text(delta, "reasoning"):
            events.append(ev.Reasoning(thought, index))
        if said := _text(delta, "content"):
            events.append(ev.Chunk(said, index))
        if refused := _text(delta, "refusal"):
            events.append(ev.Refusal(refused, index))
        for call in _objects(delta.get("tool_calls")):
            place, function = _count(call.get("index")), call.get("function")
            function = function if isinstance(function, dict) else {}
            known = self._tools.get(place, ("", ""))
            self._tools[place] = id_, name = _text(call, "id") or known[0], _text(function, "name") or known[1]
            events.append(ev.ToolCall(id_, name, _text(function, "arguments"), False, place))
        return events


def _typed_end(value: JsonObject, text: str) -> ev.Complete:
    result = {name: member for name, member in value.items() if name not in _OWN_MEMBERS}
    return _complete(final_response=_text(value, "final_response") or text or None, result=result or None)


def _complete(
    reason: str | None = None, usage: Usage | None = None, final_response: str | None = None, result: Any = None
) -> ev.Complete:
    reason = _OTHER_FINISH_REASONS.get(reason or "", reason or "")
    # A reason that this version does not know is an end all the same.
    return ev.Complete(reason if reason in _FINISH_REASONS else "stop", usage or Usage(), final_response, result=result)


def _error(value: JsonObject) -> ev.Error:
    """From `{"error": {"message", "code", "type"}}` or `{"error", "message"}`."""
    error = value["error"]
    members = error if isinstance(error, dict) else value
    named = [members.get("code"), error]
    code = next((name.upper() for name in named if isinstance(name, str) and name.upper() in _CODES), "SERVER")
    message = _text(members, "message") or (error if isinstance(error, str) else "")
    return ev.Error(code, message or "The server reported an error", members.get("retryable") is True)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _text(value: JsonObject, name: str) -> str:
    text = value.get(name)
    return text if isinstance(text, str) else ""


def _count(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        # JSON does not tell 1.0 from 1
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _fraction(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None


def _objects(value: object) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
