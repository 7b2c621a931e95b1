"""The tool calls of a Chat Completions stream, put together from deltas that servers number in their own ways.

OpenAI gives a call an index and names it once, in its first delta. Others leave the index out (Mistral), give every
call the index 0 (Cerebras, Gemini), leave the id out, or make a new id for every delta (old vLLM).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from headwater.domain.event import ToolCall
from headwater.domain.surrogates import join_surrogates, replace_surrogates, scrub_surrogates
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.call_ids import CallIds
from headwater.providers.contract import Item

_objects: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
#: What JSON's nesting can be told by; an escape with what it escapes, unless that is in the next piece.
_MARKS: Final = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)
_WHITE: Final = " \t\n\r"
#: A model asks for a few side by side; so many that have begun and are not whole are no answer.
_OPEN_MAX: Final = 256


class ToolFunction(msgspec.Struct, gc=False):
    name: str | None = None
    #: JSON text; a few servers send the object itself
    arguments: str | dict[str, Any] | None = None


class ToolDelta(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: ToolFunction | None = None


class _Arguments:
    """A call's arguments in pieces. Each piece is looked at once, however often it is asked whether they are whole."""

    __slots__ = ("_depth", "_in_string", "_is_escaped", "_is_whole", "_looked_at", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._looked_at = 0
        self._depth = 0
        self._in_string = False
        #: a piece ended in a backslash
        self._is_escaped = False
        #: None before the outermost bracket is closed
        self._is_whole: bool | None = None

    @property
    def are_whole(self) -> bool:
        """Whether they are a JSON object, to which nothing but white space can be added."""
        while self._looked_at < len(self.pieces):
            self._looked_at += 1
            self._look_at(self.pieces[self._looked_at - 1])
        return self._is_whole is True

    def _look_at(self, piece: str) -> None:
        start = 0
        if self._is_escaped and piece:
            start, self._is_escaped = 1, False
        if self._is_whole is None:
            for mark in _MARKS.finditer(piece, start):
                start = mark.end()
                if self._closes(mark[0]):
                    self._is_whole = _is_object("".join(self.pieces[: self._looked_at - 1]) + piece[:start])
                    break
            else:
                return
        if piece[start:].strip(_WHITE):
            self._is_whole = False

    def _closes(self, mark: str) -> bool:
        """Whether the outermost bracket is closed by this."""
        if mark == '"':
            self._in_string = not self._in_string
        elif mark[0] == "\\":
            self._is_escaped = mark == "\\"
        elif not self._in_string:
            self._depth += 1 if mark in "{[" else -1
            return self._depth <= 0
        return False


class _Call:
    __slots__ = ("announced", "arguments", "done", "given_id", "half", "id", "index", "name")

    def __init__(self, index: int, given_id: str, id: str, name: str) -> None:
        self.index = index
        self.given_id = given_id
        self.id = id
        self.name = name
        self.arguments = _Arguments()
        self.half = ""
        self.announced = False
        self.done = False


class ToolCalls:
    """Takes deltas, gives `tool_call` events.

    The first piece of a call comes when its name is known, the last says `done`: when the next call begins and the
    arguments are whole, else when the answer is finished. Every piece has the call's id and name. An id that the
    server left out, or used before, is made from the call's place, so the same stream always gives the same ids.
    """

    #: where the one call of the older `function_call` field is kept; indexes are never negative
    LEGACY: Final = -1

    def __init__(self, ids: CallIds | None = None) -> None:
        self._current: dict[int, _Call] = {}
        #: those that are not done, in order
        self._open: list[_Call] = []
        self._count = 0
        self._ids = CallIds() if ids is None else ids
        #: set from the first string with half a surrogate pair on
        self.mending = False

    def __len__(self) -> int:
        return self._count

    def take(self, place: int, delta: ToolDelta, items: list[Item]) -> None:
        """One delta for the call at `place`: its index, or where it stands in the chunk's list.

        Raises `ProviderError` PARSE for calls without end.
        """
        given_id = delta.id or ""
        function = delta.function
        name = (function.name if function is not None else "") or ""
        if self.mending:
            given_id, name = replace_surrogates(given_id), replace_surrogates(name)
        call = self._current.get(place)
        if call is None or _begins_another(call, given_id, name):
            for earlier in self._open:
                if earlier.arguments.are_whole:
                    self._close(earlier, items)
            self._open = [earlier for earlier in self._open if not earlier.done]
            call = self._begin(place, given_id, name)
        elif not call.announced and not call.name:
            call.name = name
        self._add(call, function.arguments if function is not None else None, items)

    def finish(self, items: list[Item]) -> None:
        """The answer is finished, and with it every call that is still open."""
        for call in self._open:
            self._close(call, items)
        self._open = []

    def _begin(self, place: int, given_id: str, name: str) -> _Call:
        if len(self._open) >= _OPEN_MAX:
            raise ProviderError(ErrorCode.PARSE, detail=f"{_OPEN_MAX} calls of tools at once")
        index = self._count
        self._count += 1
        unique = self._ids.unique(given_id or f"call_{index}", index)
        call = _Call(index, given_id, unique, name)
        self._current[place] = call
        self._open.append(call)
        return call

    def _add(self, call: _Call, arguments: str | dict[str, Any] | None, items: list[Item]) -> None:
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(scrub_surrogates(arguments)).decode()
        text = arguments or ""
        if self.mending:
            text, call.half = join_surrogates(call.half + text)
        if text:
            call.arguments.pieces.append(text)
        if not call.announced:
            if not call.name:
                return
            call.announced = True
            text = "".join(call.arguments.pieces)
        elif not text:
            return
        # Only white space can follow a call that is done, and its last piece still has to say so.
        items.append(ToolCall(call.id, call.name, text, call.done, call.index))

    def _close(self, call: _Call, items: list[Item]) -> None:
        rest = "".join(call.arguments.pieces) if not call.announced else ""
        if call.half:
            rest += replace_surrogates(call.half)
            call.half = ""
        call.announced = call.done = True
        items.append(ToolCall(call.id, call.name, rest, True, call.index))


def _is_object(text: str) -> bool:
    try:
        _objects.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _begins_another(call: _Call, given_id: str, name: str) -> bool:
    """Whether a delta at a place that has a call begins the next one: it names a function, and is not the same call."""
    if not name:
        return False
    if given_id:
        return given_id != call.given_id and bool(call.given_id or call.arguments.are_whole)
    return call.arguments.are_whole
