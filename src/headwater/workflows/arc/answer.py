"""What a model answered to a puzzle, read with good will. Pure; never raises, whatever it is.

Models put the same thing under other names, below `result`, or into the prose around the JSON. What is taken in another
way than it was asked for is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from headwater.workflows.arc.confidence import Confidence, confidence_of
from headwater.workflows.arc.reading import grid_of, grids_in
from headwater.workflows.arc.schema import grid_names
from headwater.workflows.arc.task import Grid

#: Of each of the answer's texts, and how many hints: they go into the run's result, which is bounded.
TEXT_CHARS_MAX: Final = 4_000
HINTS_MAX: Final = 10
HINT_CHARS_MAX: Final = 400

PROSE: Final = "prose"

#: Where an answer may be nested.
_NESTS: Final = ("result", "answer", "response", "output", "solution", "analysis", "data", "prediction")
_NESTS_DEPTH_MAX: Final = 4
_MEMBERS_MAX: Final = 200
#: What the grid may be called, as `_plain` has it, in the order in which it is looked for; with the test's number too.
_GRID_STEMS: Final = (
    *("predictedoutput", "predictedoutputgrid", "predictedgrid", "prediction", "predicted"),
    *("output", "outputgrid", "testoutput", "solution", "answer", "grid", "result"),
)
_LIST_STEMS: Final = (
    *("predictedoutputs", "multiplepredictedoutputs", "predictions", "predictedgrids"),
    *("outputs", "testoutputs", "solutions", "answers", "grids", "results"),
)
_CONFIDENCES: Final = ("confidence", "confidencescore", "confidencelevel", "certainty")
_PATTERNS: Final = ("patterndescription", "pattern", "rule", "description", "explanation")
_STRATEGIES: Final = ("solvingstrategy", "strategy", "approach", "steps", "method")
_HINTS: Final = ("hints", "hint", "tips")

_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]")


class Predicted(NamedTuple):
    """The grid for one test, and the member that it was in, `prose`, or "" where there is none."""

    grid: Grid | None
    found_in: str


class Answer(NamedTuple):
    """All that could be read."""

    predicted: tuple[Predicted, ...]
    pattern: str
    strategy: str
    hints: list[str]
    confidence: Confidence
    notes: list[str]


class _Member(NamedTuple):
    name: str
    value: Any


#: Members by what their names amount to; of two that amount to the same the outer one counts, and the first.
_Members = dict[str, _Member]


def read_answer(value: object, text: str, tests: int) -> Answer:
    """`value` is the answer's JSON so far as there was any, `text` the whole answer.

    `tests` is how many grids it is to have.
    """
    members = _members(value)
    notes: list[str] = []
    predicted = _predicted(value, members, tests)
    if not any(each.grid for each in predicted) and (found := grids_in(text)):
        # the answer comes after what it repeats of the question
        found = found[-tests:]
        predicted = [Predicted(found[k], PROSE) if k < len(found) else Predicted(None, "") for k in range(tests)]
        notes.append("No member of the answer held a grid; what it says between the lines was taken.")
    asked = grid_names(tests)
    if other := sorted({each.found_in for each in predicted} - {*asked, PROSE, ""}):
        notes.append(f"The grid was not in `{asked[0]}`, but in `{'`, `'.join(other)}`.")
    if missing := [str(number) for number, each in enumerate(predicted, 1) if each.grid is None]:
        notes.append(f"There is no grid for test {', '.join(missing)}.")
    confidence = confidence_of(_first(members, _CONFIDENCES))
    if not confidence.given:
        notes.append(f"It does not say how sure it is; {confidence.percent} is assumed.")
    return Answer(
        predicted=tuple(predicted),
        pattern=_text(_first(members, _PATTERNS))[:TEXT_CHARS_MAX],
        strategy=_text(_first(members, _STRATEGIES))[:TEXT_CHARS_MAX],
        hints=_hints(_first(members, _HINTS)),
        confidence=confidence,
        notes=notes,
    )


# Members.


def _members(value: object) -> _Members:
    """The members of the answer and of what it is nested in, the outer ones first."""
    found: _Members = {}
    level: list[Mapping[Any, Any]] = [value] if isinstance(value, Mapping) else []
    for _ in range(_NESTS_DEPTH_MAX):
        inner: list[Mapping[Any, Any]] = []
        for each in level:
            for key, member in list(each.items())[:_MEMBERS_MAX]:
                name = str(key)[:100]
                plain = _plain(name)
                if plain in _NESTS and isinstance(member, Mapping):
                    inner.append(member)
                found.setdefault(plain, _Member(name, member))
        level = inner
    return found


def _plain(name: str) -> str:
    """`predicted_output_1`, `PredictedOutput1` and `predictedOutput1` are one name."""
    return _NOT_PLAIN.sub("", name.lower())


def _first(members: _Members, names: tuple[str, ...]) -> Any:
    return next((members[name].value for name in names if name in members), None)


# Grids.


def _predicted(value: object, members: _Members, tests: int) -> list[Predicted]:
    """A grid for each test: under the test's own name, from a list of them, or the only one that there is."""
    listed = _listed(value, members, tests)
    predicted = [_numbered(members, number, tests) or _of_list(listed, number) for number in range(1, tests + 1)]
    if tests > 1 and predicted[0] is None and listed is None and (alone := _alone(members)) is not None:
        predicted[0] = alone
    if tests == 1 and predicted[0] is None and (grid := grid_of(value) if isinstance(value, list) else None):
        predicted[0] = Predicted(grid, "the answer itself")
    return [each or Predicted(None, "") for each in predicted]


def _numbered(members: _Members, number: int, tests: int) -> Predicted | None:
    for stem in _GRID_STEMS:
        for name in (f"{stem}{number}", *([stem] if tests == 1 else [])):
            if name in members and (grid := grid_of(members[name].value)) is not None:
                return Predicted(grid, members[name].name)
    return None


def _alone(members: _Members) -> Predicted | None:
    """One grid without a number, where there are several tests: it is for the first."""
    for stem in _GRID_STEMS:
        if stem in members and (grid := grid_of(members[stem].value)) is not None:
            return Predicted(grid, members[stem].name)
    return None


def _listed(value: object, members: _Members, tests: int) -> _Member | None:
    """A list of grids, one for each test: under a plural, under a single name, or the answer itself."""
    for name in (*_LIST_STEMS, *_GRID_STEMS):
        if name in members and _is_list_of_grids(members[name].value, tests):
            return members[name]
    return _Member("the answer itself", value) if _is_list_of_grids(value, tests) else None


def _is_list_of_grids(value: object, tests: int) -> bool:
    if not isinstance(value, list) or not value or grid_of(value) is not None:
        return False
    return any(grid_of(each) is not None for each in value[:tests])


def _of_list(listed: _Member | None, number: int) -> Predicted | None:
    if listed is None or number > len(listed.value):
        return None
    grid = grid_of(listed.value[number - 1])
    return None if grid is None else Predicted(grid, f"{listed.name}[{number - 1}]")


# Texts.


def _text(value: object) -> str:
    """A text as it is; of a list its items, a line each; of an object its members' texts."""
    return "\n".join(line for line in _lines(value, 0) if line)


def _lines(value: object, depth: int) -> Iterator[str]:
    match value:
        case str():
            yield value[:TEXT_CHARS_MAX].strip()
        case bool() | None:
            return
        case int() | float():
            yield f"{value}"[:40] if isinstance(value, float) or abs(value) < 10**18 else ""
        case list() if depth < _NESTS_DEPTH_MAX:
            for each in value[:_MEMBERS_MAX]:
                yield from _lines(each, depth + 1)
        case Mapping() if depth < _NESTS_DEPTH_MAX:
            for each in list(value.values())[:_MEMBERS_MAX]:
                yield from _lines(each, depth + 1)


def _hints(value: object) -> list[str]:
    """Short texts: the items of a list, or the lines of a text."""
    items = value if isinstance(value, list) else _text(value).splitlines()
    texts = [_text(each).strip("-*• ")[:HINT_CHARS_MAX] for each in items[: 2 * HINTS_MAX]]
    return [each for each in texts if each][:HINTS_MAX]
