"""JSON that grows: the text of an answer, piece by piece, to the value so far and what became known (RFC 8259).

What a model writes around its JSON is passed over: prose, and the fences of Markdown. The first object or array that
comes to an end is the value, and what follows it is prose. One that breaks off before anything of it was known was
prose too (`{see below}`); one that breaks off later is malformed, and nothing after it is looked at.

What is not JSON and yet plain is taken for what it means, and noted (`Repair`). Nothing that comes is an exception:
where there is no value, `note` says why.

The work is linear in the text however it is cut: no character is looked at more than twice, and nothing is told twice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, Literal, NamedTuple

from headwater.wire.json_string import GrowingString, StringRepair

#: Longer text is not JSON that anybody waits for.
TEXT_CHARS_MAX: Final = 1 << 20
#: Deeper than that nothing is read.
DEPTH_MAX: Final = 64
#: A place that needs a longer JSON pointer is not told of.
PATH_CHARS_MAX: Final = 4096
#: A number or a word is at most this long; it is held until it is whole.
SCALAR_CHARS_MAX: Final = 1000
#: The row of a grid that is longer is told item by item.
ROW_ITEMS_MAX: Final = 256
#: Text is taken in slices of this size, so that what becomes known at once stays small.
_SLICE_CHARS: Final = 16 * 1024

#: Why there is no whole value. `unfinished`: the text ended in the middle of it.
Note = Literal["no_json", "unfinished", "malformed", "too_deep", "too_large"]
#: What was passed over or taken for what it means.
Repair = Literal["prose", "fence", "trailing_comma"] | StringRepair


class Known(NamedTuple):
    """What became known: `value` takes the place of what was at `path` (RFC 6901), or with `is_delta` is put behind it.

    `is_done` says that nothing more comes at `path` or below. Neither side may change the value.
    """

    path: str
    value: Any
    is_done: bool
    is_delta: bool = False


class _At(Enum):
    OUTSIDE = auto()  # in prose, before a value
    VALUE = auto()  # after a colon
    FIRST_ITEM = auto()  # after [
    ITEM = auto()  # after a comma of an array
    AFTER_ITEM = auto()
    FIRST_KEY = auto()  # after {
    KEY = auto()  # after a comma of an object
    COLON = auto()
    AFTER_MEMBER = auto()
    STRING = auto()
    SCALAR = auto()  # in a number or a word
    OVER = auto()  # behind the value: prose
    BROKEN = auto()  # what comes is not looked at any more


class _Open:
    """An array or object whose end has not come. `is_told`: its reader knows that it is there."""

    __slots__ = ("container", "is_row", "is_told", "key", "path")

    def __init__(self, container: Any, path: str, is_row: bool) -> None:
        self.container: Any = container
        self.path = path
        #: of an object: of which member the value is being read
        self.key = ""
        #: nothing but plain values in an array of an array so far: told when it is whole
        self.is_row = is_row
        self.is_told = False


_BLANK: Final = re.compile(r"[ \t\r\n]*+")
_SCALAR: Final = re.compile(r"[0-9A-Za-z+.\-]*+")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+\-]?[0-9]++)?")
_INFO: Final = re.compile(r"[\w+.\-]{0,32}")

_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}
_BLANKS: Final = " \t\r\n\ufeff"
_FENCE: Final = "```"
#: What JSON encoders of other languages can say without loss; a greater number becomes a float, as in JavaScript.
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1


class PartialJSON:
    """`feed` the text's pieces in order, then `end`. `begins` are the characters that a value may begin with."""

    def __init__(self, *, begins: str = "{[") -> None:
        #: why there is no whole value; None where there is one, and while there may still be one
        self.note: Note | None = None
        self._begins = re.compile(f"[{re.escape(begins)}]")
        self._at = _At.OUTSIDE
        self._stack: list[_Open] = []
        self._root: Any = None
        self._is_root_told = False
        #: whether a key or a plain value of what may be the value is known
        self._is_known = False
        self._chars = 0
        self._lead: list[str] = []
        self._tail: list[str] = []
        self._repairs: set[Repair] = set()
        self._string = GrowingString()
        self._is_key = False
        #: of the number or word at hand
        self._scalar = ""
        self._known: list[Known] = []

    # ── what it amounts to ──────────────────────────────────────────────────────────────────────

    @property
    def is_whole(self) -> bool:
        """Whether the value's last character has come."""
        return self._at is _At.OVER

    @property
    def value(self) -> Any:
        """The value so far: strings and containers as far as they go, numbers only when they are whole."""
        if self._stack:
            return self._frozen(0, with_rows=True)
        return self._string.text if self._is_in_value_string else self._root

    @property
    def told(self) -> Any:
        """What all that was given out amounts to: as `value`, without a row that is not whole."""
        return self._frozen(0) if self._stack else self.value

    @property
    def repairs(self) -> list[Repair]:
        """What was passed over or taken for what it means, sorted."""
        repairs = set(self._repairs)
        lead = "".join(self._lead).strip(_BLANKS)
        before, fence, info = lead.rpartition(_FENCE)
        if fence and _INFO.fullmatch(info.strip()):
            repairs.add("fence")
            lead = before.strip(_BLANKS)
        tail = "".join(self._tail).strip(_BLANKS)
        if tail.startswith(_FENCE):
            repairs.add("fence")
            tail = tail.removeprefix(_FENCE).strip(_BLANKS)
        if lead or tail:
            repairs.add("prose")
        return sorted(repairs)

    # ── what comes ──────────────────────────────────────────────────────────────────────────────

    def feed(self, text: str) -> list[Known]:
        """What became known by the next piece of the text, in the order in which it stands there."""
        self._chars += len(text)
        if self._chars > TEXT_CHARS_MAX:
            self._break("too_large")
            return self._take_known()
        # Nearly all that comes is more of a string that is known to be there.
        is_more = self._at is _At.STRING and self._string.is_told and 0 < len(text) <= _SLICE_CHARS
        if is_more and self._string.takes_whole(text):
            return [Known(self._place(), text, False, True)]
        for start in range(0, len(text), _SLICE_CHARS):
            self._take(text[start : start + _SLICE_CHARS])
            self._tell_open()
        return self._take_known()

    def end(self) -> list[Known]:
        """The text is over. Sets `note` where there is no whole value."""
        if self._at is _At.SCALAR and not self._stack:
            self._end_scalar()
        if self.note is None and self._at is not _At.OVER:
            self.note = "no_json" if self._at is _At.OUTSIDE else "unfinished"
        return self._take_known()

    def _take_known(self) -> list[Known]:
        known, self._known = self._known, []
        return known

    def _take(self, text: str) -> None:
        position, size = 0, len(text)
        while position < size:
            at = self._at
            if at is _At.STRING:
                position = self._in_string(text, position)
            elif at is _At.SCALAR:
                position = self._in_scalar(text, position)
            elif at is _At.OUTSIDE:
                position = self._search(text, position)
            elif at is _At.OVER:
                self._tail.append(text[position:])
                return
            elif at is _At.BROKEN:
                return
            else:
                position = _end(_BLANK, text, position)
                if position < size:
                    step = _STEPS[at].get(text[position])
                    if step is None:
                        self._fail()
                    else:
                        position += 1
                        step(self)

    def _search(self, text: str, position: int) -> int:
        match = self._begins.search(text, position)
        begin = len(text) if match is None else match.start()
        if begin > position:
            self._lead.append(text[position:begin])
        if match is None:
            return begin
        self._at = _At.VALUE
        self._is_known = False
        return begin

    # ── strings ─────────────────────────────────────────────────────────────────────────────────

    def _begin_key(self) -> None:
        self._begin_string()
        self._is_key = True

    def _begin_string(self) -> None:
        self._at = _At.STRING
        self._is_key = False
        self._string = GrowingString()
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
            self._at = _At.COLON
            if len(top.path) + len(_pointer(top.key)) > PATH_CHARS_MAX:
                self._break("too_large")
        elif string.is_told:
            self._known.append(Known(self._place(), string.news(), True, True))
            self._put(string.text, is_told=True)
        else:
            self._put(string.text)

    @property
    def _is_in_value_string(self) -> bool:
        return self._at is _At.STRING and not self._is_key

    # ── numbers and words ───────────────────────────────────────────────────────────────────────

    def _in_scalar(self, text: str, position: int) -> int:
        end = _end(_SCALAR, text, position)
        self._scalar += text[position:end]
        if len(self._scalar) > SCALAR_CHARS_MAX:
            self._fail()
        elif end < len(text):
            self._end_scalar()
        return end

    def _end_scalar(self) -> None:
        text = self._scalar
        if text in _WORDS:
            self._put(_WORDS[text])
        elif (match := _NUMBER.fullmatch(text)) is not None:
            is_whole = match.group(1) is None and match.group(2) is None
            number: float = int(text) if is_whole else float(text)
            if is_whole and not _INT_MIN <= number <= _INT_MAX:
                number = float(text)
            if math.isfinite(number):
                self._put(number)
            else:
                self._fail()
        else:
            self._fail()

    # ── arrays and objects ──────────────────────────────────────────────────────────────────────

    def _place(self) -> str:
        """The path of the value at hand."""
        if not self._stack:
            return ""
        top = self._stack[-1]
        if type(top.container) is list:
            return f"{top.path}/{len(top.container)}"
        return top.path + _pointer(top.key)

    def _put(self, value: Any, *, is_told: bool = False) -> None:
        """A plain value is whole."""
        self._is_known = True
        if not self._stack:
            self._root, self._at = value, _At.OVER
            if not is_told:
                self._known.append(Known("", value, True))
            return
        top = self._stack[-1]
        if top.is_told and not is_told:
            self._known.append(Known(self._place(), value, True))
        if type(top.container) is list:
            top.container.append(value)
            self._at = _At.AFTER_ITEM
            if top.is_row and len(top.container) >= ROW_ITEMS_MAX:
                top.is_row = False
        else:
            top.container[top.key] = value
            self._at = _At.AFTER_MEMBER

    def _begin_object(self) -> None:
        self._begin_container({}, _At.FIRST_KEY)

    def _begin_array(self) -> None:
        self._begin_container([], _At.FIRST_ITEM)

    def _begin_container(self, container: Any, at: _At) -> None:
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
        self._at = _At.VALUE

    def _close_after_comma(self) -> None:
        self._repairs.add("trailing_comma")
        self._close()

    def _close(self) -> None:
        top = self._stack.pop()
        above = self._stack[-1] if self._stack else None
        if top.is_told:
            self._known.append(Known(top.path, type(top.container)(), True, True))
        elif above is None or above.is_told:
            self._known.append(Known(top.path, top.container, True))
        if above is None:
            self._root, self._at = top.container, _At.OVER
        else:
            self._at = _At.AFTER_ITEM if type(above.container) is list else _At.AFTER_MEMBER

    # ── what is told of what is open ────────────────────────────────────────────────────────────

    def _tell_open(self) -> None:
        """Tells of what began and goes on: the outermost of it with all that is in it, or more of a string."""
        first = next((place for place, each in enumerate(self._stack) if not each.is_told), None)
        if first is not None and not self._stack[first].is_row:
            self._is_root_told = True
            self._known.append(Known(self._stack[first].path, self._frozen(first), False))
            for each in self._stack[first:]:
                if each.is_row:
                    break
                each.is_told = True
            if self._is_in_value_string and self._string.has_news:
                self._string.news()
        elif first is None and self._is_in_value_string and self._string.has_news:
            self._is_root_told = True
            is_delta = self._string.is_told
            self._known.append(Known(self._place(), self._string.news(), False, is_delta))

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
        self._at = _At.OUTSIDE
        if self._is_root_told:
            self._is_root_told = False
            self._known.append(Known("", None, False))

    def _break(self, note: Note) -> None:
        """The value so far stays, and is told; nothing more comes of what is open in it."""
        if self._at in (_At.OVER, _At.BROKEN):
            # a value that is whole is not undone by what follows it
            return
        for each in self._stack:
            each.is_row = False
        self._tell_open()
        self._root = self.value
        self._stack.clear()
        self.note = note
        self._at = _At.BROKEN


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where what is passed over ends."""
    match = pattern.match(text, position)
    return match.end() if match is not None else position


def _pointer(key: str) -> str:
    """A member's step in a JSON pointer (RFC 6901, section 3)."""
    if "~" in key or "/" in key:
        key = key.replace("~", "~0").replace("/", "~1")
    return "/" + key


_Step = Callable[[PartialJSON], None]


def _to(at: _At) -> _Step:
    def step(json: PartialJSON) -> None:
        json._at = at

    return step


def _begin_with(char: str) -> _Step:
    def step(json: PartialJSON) -> None:
        json._at = _At.SCALAR
        json._scalar = char

    return step


_VALUES: Final[dict[str, _Step]] = {
    '"': PartialJSON._begin_string,
    "{": PartialJSON._begin_object,
    "[": PartialJSON._begin_array,
    **{char: _begin_with(char) for char in "-0123456789tfn"},
}
_STEPS: Final[dict[_At, dict[str, _Step]]] = {
    _At.VALUE: _VALUES,
    _At.FIRST_ITEM: {**_VALUES, "]": PartialJSON._close},
    _At.ITEM: {**_VALUES, "]": PartialJSON._close_after_comma},
    _At.AFTER_ITEM: {",": _to(_At.ITEM), "]": PartialJSON._close},
    _At.FIRST_KEY: {'"': PartialJSON._begin_key, "}": PartialJSON._close},
    _At.KEY: {'"': PartialJSON._begin_key, "}": PartialJSON._close_after_comma},
    _At.COLON: {":": PartialJSON._begin_member},
    _At.AFTER_MEMBER: {",": _to(_At.KEY), "}": PartialJSON._close},
}
