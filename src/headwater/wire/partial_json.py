"""JSON that grows: the text of an answer, piece by piece, to the value so far and what became known (RFC 8259).

What a model writes around its JSON is passed over: prose, and the fences of Markdown. The first object or array that
comes to an end is the value, and what follows it is prose. One that breaks off before anything of it was known was
prose too (`{see below}`); one that breaks off later is malformed, and nothing after it is looked at.

What is not JSON and yet plain is taken for what it means, and noted (`Repair`). Nothing that comes is an exception:
where there is no value, `note` says why.

The work is linear in the text however it is cut: no character is looked at more than twice, and nothing is told twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from headwater.wire.json_patterns import BLANK, INTEGERS, SCALAR_CHARS, WHOLE_CHARS_MIN, WHOLE_KEY, WHOLE_STRING, end_of
from headwater.wire.json_scalar import scalar_of
from headwater.wire.json_string import GrowingString, StringRepair
from headwater.wire.json_surroundings import Surrounding, surroundings

#: Longer text is not JSON that anybody waits for.
TEXT_CHARS_MAX: Final = 1 << 20
#: Deeper than that nothing is read.
DEPTH_MAX: Final = 64
#: A place that needs a longer JSON pointer is not told of: it would be written down with every piece of a text.
PATH_CHARS_MAX: Final = 512
#: A number or a word is at most this long; it is held until it is whole.
SCALAR_CHARS_MAX: Final = 1000
#: The row of a grid that is longer is told item by item.
ROW_ITEMS_MAX: Final = 256
#: Text is taken in slices of this size, so that what becomes known at once stays small.
_SLICE_CHARS: Final = 16 * 1024

#: Why there is no whole value. `unfinished`: the text ended in the middle of it.
Note = Literal["no_json", "unfinished", "malformed", "too_deep", "too_large"]
#: What was passed over or taken for what it means.
Repair = Surrounding | StringRepair | Literal["trailing_comma"]


class Known(NamedTuple):
    """What became known: `value` takes the place of what was at `path` (RFC 6901), or with `is_delta` is put behind it.

    `is_done` says that nothing more comes at `path` or below. Neither side may change the value.
    """

    path: str
    value: Any
    is_done: bool
    is_delta: bool = False


# Where it stands; numbers, for they are compared with each character.
_OUTSIDE: Final = 0  # in prose, before a value
_VALUE: Final = 1  # after a colon
_FIRST_ITEM: Final = 2  # after [
_ITEM: Final = 3  # after a comma of an array
_FIRST_KEY: Final = 4  # after {
_KEY: Final = 5  # after a comma of an object
_COLON: Final = 6
_AFTER_ITEM: Final = 7
_AFTER_MEMBER: Final = 8
_STRING: Final = 9
_SCALAR: Final = 10  # in a number or a word
_OVER: Final = 11  # behind the value: prose
_BROKEN: Final = 12  # what comes is not looked at any more


class _Open:
    """An array or object whose end has not come."""

    __slots__ = ("container", "is_row", "key", "path")

    def __init__(self, container: Any, path: str, is_row: bool) -> None:
        self.container: Any = container
        self.path = path
        #: of an object: of which member the value is being read
        self.key = ""
        #: nothing but plain values in an array of an array so far: told when it is whole
        self.is_row = is_row


class PartialJSON:
    """`feed` the text's pieces in order, then `end`. `begins` are the characters that a value may begin with."""

    def __init__(self, *, begins: str = "{[") -> None:
        #: why there is no whole value; None where there is one, and while there may still be one
        self.note: Note | None = None
        self._begins = re.compile(f"[{re.escape(begins)}]")
        self._at = _OUTSIDE
        self._stack: list[_Open] = []
        #: how many of them, from the outermost on, were told
        self._told = 0
        self._root: Any = None
        self._is_root_told = False
        #: whether a key or a plain value of what may be the value is known
        self._is_known = False
        self._chars = 0
        self._lead: list[str] = []
        self._tail: list[str] = []
        self._repairs: set[Repair] = set()
        self._string = GrowingString()
        self._string_path = ""
        self._is_key = False
        #: of the number or word at hand
        self._scalar = ""
        self._known: list[Known] = []

    # ── what it amounts to ──────────────────────────────────────────────────────────────────────

    @property
    def is_whole(self) -> bool:
        """Whether the value's last character has come."""
        return self._at == _OVER

    @property
    def is_open(self) -> bool:
        """Whether the text is within what may be the value."""
        return self._at not in (_OUTSIDE, _OVER, _BROKEN)

    @property
    def is_in_string(self) -> bool:
        """Whether any character that comes is part of a text, but for its end."""
        return self._at == _STRING

    @property
    def tail(self) -> str:
        """What has come behind the value."""
        return "".join(self._tail)

    @property
    def value(self) -> Any:
        """The value so far: strings and containers as far as they go, numbers only when they are whole."""
        if self._stack:
            return self._frozen(0, with_rows=True)
        return self._string.text if self._is_in_value_string else self._root

    @property
    def told(self) -> Any:
        """What all that was given out amounts to: as `value`, without a row that is not whole."""
        if self._is_in_value_string and not self._stack and not self._string.is_told:
            return None
        return self._frozen(0) if self._stack else self.value

    @property
    def repairs(self) -> list[Repair]:
        """What was passed over or taken for what it means, sorted."""
        repairs = self._repairs | surroundings("".join(self._lead), self.tail)
        return sorted(repairs)

    # ── what comes ──────────────────────────────────────────────────────────────────────────────

    def feed(self, text: str) -> list[Known]:
        """What became known by the next piece of the text, in the order in which it stands there."""
        size = len(text)
        self._chars += size
        if self._chars > TEXT_CHARS_MAX:
            self._break("too_large")
        elif size > _SLICE_CHARS:
            for start in range(0, size, _SLICE_CHARS):
                self._take(text[start : start + _SLICE_CHARS])
                self._tell_open()
        elif self._at == _STRING and self._string.is_told and self._string.takes_whole(text):
            # Nearly all that comes is this: more of a string that is known to be there.
            return [Known(self._string_path, text, False, True)]
        else:
            self._take(text)
            self._tell_open()
        return self._take_known()

    def end(self) -> list[Known]:
        """The text is over. Sets `note` where there is no whole value."""
        if self._at == _SCALAR and not self._stack:
            self._end_scalar()
        if self.note is None and self._at != _OVER:
            self.note = "no_json" if self._at == _OUTSIDE else "unfinished"
        return self._take_known()

    def _take_known(self) -> list[Known]:
        if not self._known:
            return []
        known, self._known = self._known, []
        return known

    def _take(self, text: str) -> None:
        position, size = 0, len(text)
        while position < size:
            at = self._at
            if at == _STRING:
                position = self._in_string(text, position)
            elif at == _SCALAR:
                position = self._in_scalar(text, position)
            elif at == _OUTSIDE:
                position = self._search(text, position)
            elif at == _OVER:
                self._tail.append(text[position:])
                return
            elif at == _BROKEN:
                return
            elif size - position >= WHOLE_CHARS_MIN and (whole := self._whole(text, position)):
                position = whole
            elif (step := _STEPS[at].get(text[position])) is not None:
                step(self)
                position += 1
            elif (blank := end_of(BLANK, text, position)) > position:
                position = blank
            else:
                self._fail()

    def _whole(self, text: str, position: int) -> int:
        """Takes what is whole in this piece in one step. Where to read on; 0 where it is not, or not plain."""
        at, char = self._at, text[position]
        if char == '"' and _FIRST_KEY <= at <= _KEY:
            return self._whole_key(text, position)
        if not _VALUE <= at <= _ITEM:
            return 0
        if char == '"':
            if (match := WHOLE_STRING.match(text, position)) is None:
                return 0
            self._put_part(match[1])
        elif char == "[":
            if (match := INTEGERS.match(text, position)) is None or len(self._stack) == DEPTH_MAX:
                return 0
            self._put_part(json.loads(match[0]))
        else:
            return 0
        return match.end()

    def _whole_key(self, text: str, position: int) -> int:
        match = WHOLE_KEY.match(text, position)
        if match is None or len(match[0]) + len(self._stack[-1].path) > PATH_CHARS_MAX // 2:
            return 0
        self._stack[-1].key = match[1]
        self._begin_member()
        return match.end()

    def _search(self, text: str, position: int) -> int:
        match = self._begins.search(text, position)
        begin = len(text) if match is None else match.start()
        if begin > position:
            self._lead.append(text[position:begin])
        if match is None:
            return begin
        self._at = _VALUE
        self._is_known = False
        return begin

    # ── strings ─────────────────────────────────────────────────────────────────────────────────

    def _begin_key(self) -> None:
        self._at = _STRING
        self._is_key = True
        self._string = GrowingString()

    def _begin_string(self) -> None:
        self._at = _STRING
        self._is_key = False
        self._string = GrowingString()
        self._string_path = self._place()
        if self._stack:
            self._stack[-1].is_row = False

    def _in_string(self, text: str, position: int) -> int:
        string = self._string
        position = string.take(text, position)
        if string.is_over:
            self._repairs |= string.repairs
            self._end_string(string)
        elif string.is_broken:
            self._fail()
        return position

    def _end_string(self, string: GrowingString) -> None:
        if self._is_key:
            top = self._stack[-1]
            top.key = string.text
            self._at = _COLON
            if len(top.path) + len(_pointer(top.key)) > PATH_CHARS_MAX:
                self._break("too_large")
        elif string.is_told:
            self._known.append(Known(self._string_path, string.news(), True, True))
            self._put(string.text, is_told=True)
        else:
            self._put(string.text)

    @property
    def _is_in_value_string(self) -> bool:
        return self._at == _STRING and not self._is_key

    # ── numbers and words ───────────────────────────────────────────────────────────────────────

    def _in_scalar(self, text: str, position: int) -> int:
        end = end_of(SCALAR_CHARS, text, position)
        self._scalar += text[position:end]
        if len(self._scalar) > SCALAR_CHARS_MAX:
            self._fail()
        elif end < len(text):
            self._end_scalar()
        return end

    def _end_scalar(self) -> None:
        try:
            value = scalar_of(self._scalar)
        except ValueError:
            self._fail()
        else:
            self._put(value)

    # ── arrays and objects ──────────────────────────────────────────────────────────────────────

    def _place(self) -> str:
        """The path of the value at hand."""
        if not self._stack:
            return ""
        top = self._stack[-1]
        if type(top.container) is list:
            return f"{top.path}/{len(top.container)}"
        return top.path + _pointer(top.key)

    def _put_part(self, value: Any) -> None:
        """A string or an array is whole: what it is in is no row."""
        if self._stack:
            self._stack[-1].is_row = False
        self._put(value)

    def _put(self, value: Any, *, is_told: bool = False) -> None:
        """A value is whole."""
        self._is_known = True
        if not self._stack:
            self._root, self._at = value, _OVER
            if not is_told:
                self._known.append(Known("", value, True))
            return
        top = self._stack[-1]
        if self._told == len(self._stack) and not is_told:
            self._known.append(Known(self._place(), value, True))
        if type(top.container) is list:
            top.container.append(value)
            self._at = _AFTER_ITEM
            if top.is_row and len(top.container) >= ROW_ITEMS_MAX:
                top.is_row = False
        else:
            top.container[top.key] = value
            self._at = _AFTER_MEMBER

    def _begin_object(self) -> None:
        self._begin_container({}, _FIRST_KEY)

    def _begin_array(self) -> None:
        self._begin_container([], _FIRST_ITEM)

    def _begin_container(self, container: Any, at: int) -> None:
        stack = self._stack
        if len(stack) == DEPTH_MAX:
            self._break("too_deep")
            return
        path, is_row = self._place(), False
        if stack:
            top = stack[-1]
            top.is_row = False
            if type(top.container) is list:
                is_row = type(container) is list
                top.container.append(container)
            else:
                top.container[top.key] = container
        stack.append(_Open(container, path, is_row))
        self._at = at

    def _begin_member(self) -> None:
        """A key's colon: prose has none."""
        self._is_known = True
        self._at = _VALUE

    def _close_after_comma(self) -> None:
        self._repairs.add("trailing_comma")
        self._close()

    def _close(self) -> None:
        top = self._stack.pop()
        above = self._stack[-1] if self._stack else None
        if self._told > len(self._stack):
            self._told -= 1
            self._known.append(Known(top.path, type(top.container)(), True, True))
        elif self._told == len(self._stack):
            self._known.append(Known(top.path, top.container, True))
        if above is None:
            self._root, self._at = top.container, _OVER
        else:
            self._at = _AFTER_ITEM if type(above.container) is list else _AFTER_MEMBER

    # ── what is told of what is open ────────────────────────────────────────────────────────────

    def _tell_open(self) -> None:
        """Tells of what began and goes on: the outermost of it with all that is in it, or more of a string."""
        first = self._told
        if first < len(self._stack):
            if not self._stack[first].is_row:
                self._is_root_told = True
                self._known.append(Known(self._stack[first].path, self._frozen(first), False))
                self._told = len(self._stack) - self._stack[-1].is_row
                if self._is_in_value_string and self._string.has_news:
                    self._string.news()
        elif self._at == _STRING and not self._is_key and self._string.has_news:
            self._is_root_told = True
            is_delta = self._string.is_told
            self._known.append(Known(self._string_path, self._string.news(), False, is_delta))

    def _frozen(self, place: int, *, with_rows: bool = False) -> Any:
        """What is open at this place of the stack, as it is now. What in it is over is shared: it changes no more."""
        stack = self._stack
        top = stack[place]
        copy = top.container.copy()
        if place + 1 < len(stack):
            inner = stack[place + 1]
            if inner.is_row and not with_rows:
                copy.pop()
            else:
                copy[top.key if type(copy) is dict else -1] = self._frozen(place + 1, with_rows=with_rows)
        elif self._is_in_value_string and (text := self._string.text):
            if type(copy) is dict:
                copy[top.key] = text
            else:
                copy.append(text)
        return copy

    # ── what goes wrong ─────────────────────────────────────────────────────────────────────────

    def _fail(self) -> None:
        """What comes is no JSON: prose, if nothing of the value was known yet."""
        if self._is_known:
            self._break("malformed")
            return
        self._repairs.add("prose")
        self._stack.clear()
        self._told = 0
        self._at = _OUTSIDE
        if self._is_root_told:
            self._is_root_told = False
            self._known.append(Known("", None, False))

    def _break(self, note: Note) -> None:
        """The value so far stays, and is told; nothing more comes of what is open in it."""
        if self._at in (_OVER, _BROKEN):
            # a value that is whole is not undone by what follows it
            return
        for each in self._stack:
            each.is_row = False
        self._tell_open()
        self._root = self.value
        self._stack.clear()
        self._told = 0
        self.note = note
        self._at = _BROKEN


def _pointer(key: str) -> str:
    """A member's step in a JSON pointer (RFC 6901, section 3)."""
    if "~" in key or "/" in key:
        key = key.replace("~", "~0").replace("/", "~1")
    return "/" + key


_Step = Callable[[PartialJSON], None]


def _to(at: int) -> _Step:
    def step(parser: PartialJSON) -> None:
        parser._at = at

    return step


def _begin_with(char: str) -> _Step:
    def step(parser: PartialJSON) -> None:
        parser._at = _SCALAR
        parser._scalar = char

    return step


_VALUES: Final[dict[str, _Step]] = {
    '"': PartialJSON._begin_string,
    "{": PartialJSON._begin_object,
    "[": PartialJSON._begin_array,
    **{char: _begin_with(char) for char in "-0123456789tfn"},
}
_STEPS: Final[dict[int, dict[str, _Step]]] = {
    _VALUE: _VALUES,
    _FIRST_ITEM: {**_VALUES, "]": PartialJSON._close},
    _ITEM: {**_VALUES, "]": PartialJSON._close_after_comma},
    _AFTER_ITEM: {",": _to(_ITEM), "]": PartialJSON._close},
    _FIRST_KEY: {'"': PartialJSON._begin_key, "}": PartialJSON._close},
    _KEY: {'"': PartialJSON._begin_key, "}": PartialJSON._close_after_comma},
    _COLON: {":": PartialJSON._begin_member},
    _AFTER_MEMBER: {",": _to(_KEY), "}": PartialJSON._close},
}
