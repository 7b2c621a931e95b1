"""Gemini's function calls: whole ones, and those whose arguments Vertex streams value by value.

A call comes whole in one part, `{"name", "args", "id"}`. Where a request asks for `streamFunctionCallArguments` it
comes in several (https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling): the first
names the function, those that follow hold `partialArgs`, each a value and the place it belongs to as a JSON path
(RFC 9535), and the last has no `willContinue`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from headwater.domain.event import ToolCall
from headwater.domain.surrogates import replace_surrogates, scrub_surrogates
from headwater.providers.call_ids import CallIds
from headwater.providers.contract import Item

_DEPTH_MAX: Final = 64
_STEP: Final = re.compile(
    r"""\.(?P<name>[^.\[\]'"]+)|\[(?P<index>[0-9]{1,9})\]|\[(?P<quote>['"])(?P<quoted>(?:[^\\]|\\.)*?)(?P=quote)\]""",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class BadArguments(ValueError):
    """Arguments that are no JSON object, or a path that leads nowhere. Says nothing of what they hold."""


class PartialArg(msgspec.Struct, gc=False, rename="camel"):
    json_path: str = "$"
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None
    null_value: Any = msgspec.UNSET
    will_continue: bool | None = None


class FunctionCall(msgspec.Struct, gc=False, rename="camel"):
    name: str | None = None
    id: str | None = None
    args: Any = None
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class _Open:
    """A call whose arguments are still coming."""

    def __init__(self, index: int, id: str, name: str) -> None:
        self.index = index
        self.id = id
        self.name = name
        self.arguments: dict[str, Any] = {}
        #: the string that the newest partial argument goes on with, in pieces, and where it belongs
        self._text: list[str] = []
        self._path: str | None = None

    def add(self, piece: PartialArg) -> None:
        """Raises `BadArguments`."""
        if piece.json_path != self._path:
            self.settle()
        if piece.string_value is not None:
            self._path = piece.json_path
            self._text.append(piece.string_value)
            if not piece.will_continue:
                self.settle()
        elif piece.bool_value is not None:
            self._put(piece.json_path, piece.bool_value)
        elif piece.number_value is not None:
            self._put(piece.json_path, _as_written(piece.number_value))
        elif piece.null_value is not msgspec.UNSET:
            self._put(piece.json_path, None)

    def settle(self) -> None:
        """Puts the string that was under way in its place."""
        if self._path is not None:
            path, text = self._path, "".join(self._text)
            self._path, self._text = None, []
            self._put(path, text)

    def _put(self, path: str, value: Any) -> None:
        steps = _steps(path)
        place: Any = self.arguments
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            last = following is None
            fresh: Any = value if last else [] if isinstance(following, int) else {}
            if isinstance(step, str) and isinstance(place, dict):
                if last:
                    place[step] = fresh
                else:
                    place = place.setdefault(step, fresh)
            elif isinstance(step, int) and isinstance(place, list) and step <= len(place):
                if step == len(place):
                    place.append(fresh)
                elif last:
                    place[step] = fresh
                place = place[step]
            else:
                raise BadArguments(f"a partial argument has a place that does not exist, {len(steps)} steps deep")


class FunctionCalls:
    """Takes function calls, gives `tool_call` events.

    A whole call is one event, done. A call that comes in parts has one when it is named and one, with its arguments,
    when they are whole. An id that was left out, or used before, is made from the call's place.
    """

    def __init__(self, ids: CallIds | None = None) -> None:
        self._count = 0
        self._ids = CallIds() if ids is None else ids
        self._open: _Open | None = None
        #: set from the first string with half a surrogate pair on
        self.mending = False

    def __len__(self) -> int:
        return self._count

    def take(self, call: FunctionCall, items: list[Item]) -> str:
        """One part's call. Returns the id of the call that it belongs to, "" for none. Raises `BadArguments`."""
        opened = self._open
        if opened is None and not call.name:
            if call.args or call.partial_args:
                raise BadArguments("a function call has arguments and no name")
            return ""
        if call.name or opened is None:
            self.finish(items)
            opened = self._begin(call)
            if call.will_continue:
                self._open = opened
                items.append(ToolCall(opened.id, opened.name, "", False, opened.index))
        if call.args is not None:
            opened.arguments = _object(call.args)
        for piece in call.partial_args or ():
            opened.add(piece)
        if not call.will_continue:
            self._open = None
            self._close(opened, items)
        return opened.id

    def finish(self, items: list[Item]) -> None:
        """The answer is finished, and with it a call that is still open."""
        if (opened := self._open) is not None:
            self._open = None
            self._close(opened, items)

    def _begin(self, call: FunctionCall) -> _Open:
        index = self._count
        self._count += 1
        unique = self._ids.unique(replace_surrogates(call.id or f"call_{index}"), index)
        return _Open(index, unique, replace_surrogates(call.name or ""))

    def _close(self, call: _Open, items: list[Item]) -> None:
        call.settle()
        arguments = scrub_surrogates(call.arguments) if self.mending else call.arguments
        items.append(ToolCall(call.id, call.name, msgspec.json.encode(arguments).decode(), True, call.index))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadArguments("a function call's arguments are no JSON object")
    return value


def _steps(path: str) -> list[str | int]:
    """The names and indexes of a normalised path, `$.foo.bar[0]["x y"]`."""
    steps: list[str | int] = []
    at = 1
    while path.startswith("$") and at < len(path) and len(steps) <= _DEPTH_MAX:
        match = _STEP.match(path, at)
        if match is None:
            break
        if match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(match["name"] if match["name"] is not None else _ESCAPED.sub(r"\1", match["quoted"]))
        at = match.end()
    if at != len(path) or not steps or len(steps) > _DEPTH_MAX:
        raise BadArguments("a partial argument's place can not be read")
    return steps


def _as_written(number: float) -> float:
    """A double that is a whole number, as the arguments' schema most likely has it."""
    return int(number) if abs(number) < 2**53 and number == int(number) else number
