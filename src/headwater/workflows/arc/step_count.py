"""Puts a count of steps into a program's text. Pure, and of the standard library alone.

A step is the entry into a function or a lambda, a turn of a `for` loop, a look at a `while` loop's condition, or an
element that a comprehension goes through. (An entry or a turn that begins with a `while` loop is counted with that.)
Whatever runs for long without a step is one call of a builtin.

The count is an expression, the tick, that is true. It is put beside what is evaluated once a step, in the same line:
tracebacks have the author's line numbers. (The one exception is a body that has nothing but definitions in it, which
evaluates nothing: there the tick has a line of its own.)
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS: Final = (ast.For, ast.AsyncFor)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_COUNTED_WITHIN: Final = (ast.Lambda, *_COMPREHENSIONS)
# `try` with `except*` is known from Python 3.11 on, under a name of its own
_TRIES: Final = (ast.Try, ast.TryStar)


class UncountableError(Exception):
    """The text is no program to this Python; says why."""


def counted(source: str, tick: str) -> str:
    """The program with `tick`, an expression that is true, evaluated at each step.

    Its line ends are `\\n`. Raises `UncountableError` where this Python's grammar has no such program, or its parser
    gives up.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return _Counting(source, tick).text()
    except SyntaxError as error:
        raise UncountableError(f"{error.msg} (line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UncountableError(str(error) or "it is nested too deeply") from None


class _Place(NamedTuple):
    """Where a tree holds an expression."""

    owner: ast.AST
    field: str
    at: int | None = None

    def get(self) -> ast.expr:
        held = getattr(self.owner, self.field)
        found: ast.expr = held if self.at is None else held[self.at]
        return found

    def put(self, expression: ast.expr) -> None:
        if self.at is None:
            setattr(self.owner, self.field, expression)
        else:
            getattr(self.owner, self.field)[self.at] = expression


class _Edit(NamedTuple):
    """Of edits at one place those that close come first, and the one that replaces comes last."""

    start: int
    order: int
    end: int
    text: bytes


_CLOSES: Final = 0
_OPENS: Final = 1
_REPLACES: Final = 2


class _Counting:
    """One text. Offsets are of its UTF-8, as in `ast`."""

    def __init__(self, source: str, tick: str) -> None:
        self._tree = ast.parse(source)
        self._tick = tick
        self._source = source.encode()
        self._lines = [0]
        for line in self._source.split(b"\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._edits: list[_Edit] = []

    def text(self) -> str:
        for node in _outside_of_texts(self._tree):
            self._count(node)
        made, at = [], 0
        for edit in sorted(self._edits):
            made += [self._source[at : edit.start], edit.text]
            at = edit.end
        return b"".join([*made, self._source[at:]]).decode()

    def _count(self, node: ast.AST) -> None:
        if isinstance(node, ast.While):
            self._beside(node.test)
        elif isinstance(node, (*_DEFINITIONS, *_LOOPS)):
            self._first_in(node.body)
        elif isinstance(node, ast.JoinedStr):
            self._rewrite(node)
        else:
            for place in _places(node):
                self._beside(place.get())

    def _first_in(self, body: list[ast.stmt]) -> None:
        """One tick whenever the body is entered, before anything else of it is evaluated."""
        has_docstring = len(body) > 1 and _is_text(body[0])
        if not any(self._entered(statement) for statement in body[has_docstring:]):
            first = self._offset(body[0].lineno, body[0].col_offset)
            indent = self._source[self._lines[body[0].lineno - 1] : first]
            self._put(first, _OPENS, self._tick.encode() + b"\n" + indent)

    def _entered(self, statement: ast.stmt) -> bool:
        """Puts a tick where the statement evaluates something first; False where it evaluates nothing."""
        if isinstance(statement, ast.While):
            return True
        if isinstance(statement, _TRIES):
            return any(self._entered(each) for each in statement.body)
        if isinstance(statement, ast.ClassDef):
            return self._beside_first(_of_class(statement)) or any(map(self._entered_in_class, statement.body))
        first = _evaluated_first(statement)
        if first is not None:
            return self._beside_first(first)
        self._put(self._offset(statement.lineno, statement.col_offset), _OPENS, f"{self._tick};".encode())
        return True

    def _entered_in_class(self, statement: ast.stmt) -> bool:
        """The same in a class, where the sandbox knows methods and variables alone."""
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            return self._beside_first([] if statement.value is None else [statement.value])
        if isinstance(statement, ast.Pass) or _is_text(statement):
            return False
        return self._entered(statement)

    def _beside_first(self, expressions: Iterable[ast.expr]) -> bool:
        for expression in expressions:
            self._beside(expression)
            return True
        return False

    def _beside(self, expression: ast.expr) -> None:
        """`while cells:` becomes `while tick and (cells):`."""
        self._put(self._offset(expression.lineno, expression.col_offset), _OPENS, f" {self._tick} and (".encode())
        self._put(self._end(expression), _CLOSES, b")")

    def _rewrite(self, text: ast.JoinedStr) -> None:
        """What stands within an f-string has no reliable place before Python 3.12: it is written anew, on its lines."""
        if not any(isinstance(node, _COUNTED_WITHIN) for node in ast.walk(text)):
            return
        start, end = self._offset(text.lineno, text.col_offset), self._end(text)
        for node in list(ast.walk(text)):
            for place in _places(node):
                tick = ast.parse(self._tick, mode="eval").body
                place.put(ast.BoolOp(ast.And(), [tick, place.get()]))
        anew = ast.unparse(text)
        lines = self._source.count(b"\n", start, end) - anew.count("\n")
        self._edits.append(_Edit(start, _REPLACES, end, f"({anew}{chr(10) * lines})".encode()))

    def _end(self, expression: ast.expr) -> int:
        assert expression.end_lineno is not None
        assert expression.end_col_offset is not None
        return self._offset(expression.end_lineno, expression.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + column

    def _put(self, at: int, order: int, text: bytes) -> None:
        self._edits.append(_Edit(at, order, at, text))


def _outside_of_texts(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those within f-strings. Takes no stack, however deep the tree is."""
    left = [tree]
    while left:
        node = left.pop()
        yield node
        if not isinstance(node, ast.JoinedStr):
            left.extend(ast.iter_child_nodes(node))


def _places(node: ast.AST) -> Iterator[_Place]:
    """What a lambda evaluates first, and what a comprehension evaluates first of each element that it goes through."""
    if isinstance(node, ast.Lambda):
        yield _Place(node, "body")
    elif isinstance(node, _COMPREHENSIONS):
        made = _Place(node, "key" if isinstance(node, ast.DictComp) else "elt")
        following = [*(_Place(each, "iter") for each in node.generators[1:]), made]
        for each, after in zip(node.generators, following, strict=True):
            yield _Place(each, "ifs", 0) if each.ifs else after


def _evaluated_first(statement: ast.stmt) -> list[ast.expr] | None:
    """What the head of a statement with a body evaluates, in order; None for a statement without a body."""
    if isinstance(statement, _DEFINITIONS):
        named = (each for each in statement.args.kw_defaults if each is not None)
        return [*statement.decorator_list, *statement.args.defaults, *named]
    if isinstance(statement, ast.If):
        return [statement.test]
    if isinstance(statement, _LOOPS):
        return [statement.iter]
    if isinstance(statement, ast.With | ast.AsyncWith):
        return [statement.items[0].context_expr]
    if isinstance(statement, ast.Match):
        return [statement.subject]
    return None


def _of_class(statement: ast.ClassDef) -> list[ast.expr]:
    # before the star of `*bases` no expression has a place
    bases = (each.value if isinstance(each, ast.Starred) else each for each in statement.bases)
    return [*statement.decorator_list, *bases, *(each.value for each in statement.keywords)]


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
