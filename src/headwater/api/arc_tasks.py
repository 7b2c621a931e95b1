"""Puzzles: all of ARC-AGI-1 and 2, page by page, and each by its id."""

from __future__ import annotations

import re

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, json_answer
from headwater.api.route import Call, Operation, Parameter, Reply, Resource
from headwater.workflows.arc import tasks
from headwater.workflows.arc.task import Grid, Pair, Task

_PART_OF_ID = re.compile(r"[0-9a-fA-F]{1,8}")


class PairResource(msgspec.Struct, frozen=True):
    """Rows of cells; a cell is a colour, 0 to 9."""

    input: Grid
    output: Grid


class TaskSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A puzzle in a list; `first` is its first training pair. `set` is the newest collection that it is in."""

    id: str
    set: str
    sets: list[str]
    train_pairs: int
    tests: int
    first: PairResource


class TaskList(msgspec.Struct, frozen=True):
    """Puzzles. `next` is the `cursor` of the following page, null at the end."""

    tasks: list[TaskSummary]
    next: str | None


class TaskResource(msgspec.Struct, frozen=True, kw_only=True):
    """A puzzle: what shows its rule, and what the rule is to be applied to, with what comes of it."""

    id: str
    set: str
    sets: list[str]
    train: list[PairResource]
    test: list[PairResource]


async def puzzles(call: Call) -> Asgi:
    asked = call.query
    page = await tasks.page(
        asked.get("set"), asked.get("query"), limit=asked.get("limit", tasks.LIMIT), cursor=asked.get("cursor")
    )
    return json_answer(TaskList([_summary(task) for task in page.tasks], page.cursor))


async def puzzle(call: Call) -> Asgi:
    task = await tasks.find(call.path["task"])
    train, test = ([_pair(pair) for pair in pairs] for pairs in (task.train, task.test))
    return json_answer(TaskResource(id=task.id, set=task.set, sets=list(task.sets), train=train, test=test))


def _summary(task: Task) -> TaskSummary:
    return TaskSummary(
        id=task.id,
        set=task.set,
        sets=list(task.sets),
        train_pairs=len(task.train),
        tests=len(task.test),
        first=_pair(task.train[0]),
    )


def _pair(pair: Pair) -> PairResource:
    return PairResource(pair.input, pair.output)


def _part_of_id(text: str) -> str:
    if _PART_OF_ID.fullmatch(text) is None:
        raise ValueError("1 to 8 hexadecimal digits")
    return text


ARC_TASKS = Resource(
    "/api/arc/tasks",
    Operation(
        "GET",
        puzzles,
        "List puzzles",
        (Reply(200, "A page of puzzles", TaskList),),
        query=(
            parameters.one_of("set", tasks.SETS, "Only puzzles of this collection"),
            Parameter(
                "query",
                _part_of_id,
                {"type": "string", "pattern": "^[0-9a-fA-F]{1,8}$"},
                "Only puzzles with this in their id",
            ),
            parameters.integer("limit", 1, tasks.LIMIT_MAX, f"Puzzles on a page, {tasks.LIMIT} by default"),
            parameters.text("cursor", 100, "`next` of the page before"),
        ),
    ),
)
ARC_TASK = Resource(
    "/api/arc/tasks/{task}", Operation("GET", puzzle, "Show a puzzle", (Reply(200, "The puzzle", TaskResource),))
)
