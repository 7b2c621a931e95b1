"""Workflows, each by an entry point: our own and those that other distributions bring.

    [project.entry-points."headwater.workflows"]
    translator = "acme_headwater:Translator"

The entry point's name is what a run's `workflow` says, and what it names is a class that inherits from `Workflow` and
is made without arguments. As with providers, one that is broken is told of and left out; ours are found in the same
way, so that what is promised to others is what we live by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from headwater.entry_points import find_entries
from headwater.errors import HeadwaterError
from headwater.workflows.contract import Workflow
from headwater.workflows.input_schema import InputSchema

GROUP: Final = "headwater.workflows"
_OURS: Final = "headwater"


class Distribution(Protocol):
    """What `importlib.metadata.Distribution` is, as far as it is looked at."""

    @property
    def name(self) -> str: ...


class Entry(Protocol):
    """What `importlib.metadata.EntryPoint` is, as far as it is looked at."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...

    @property
    def dist(self) -> Distribution | None: ...

    def load(self) -> Any: ...


class Workflows(NamedTuple):
    """The workflows by name, which of them are not ours, and for each that can not be used a sentence that says why."""

    workflows: Mapping[str, Workflow]
    foreign: frozenset[str] = frozenset()
    faults: Mapping[str, str] = {}


class _Unusable(Exception):
    """Why a workflow can not be used, as the end of a sentence."""


def installed_workflows() -> Workflows:
    """The workflows of this environment. Imports them."""
    return load_workflows(*find_entries(GROUP))


def load_workflows(entries: Iterable[Entry], unread: Mapping[str, str] | None = None) -> Workflows:
    """What these entry points bring. Never raises for what is wrong with one of them.

    `unread` are those that could not even be read, with why, as the end of a sentence.
    """
    by_name: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_name[entry.name].append(entry)
    workflows: dict[str, Workflow] = {}
    foreign: set[str] = set()
    faults: dict[str, str] = {}
    for name, same in sorted(by_name.items()):
        # one distribution may be found twice, in a checkout and as it was installed
        ours = [entry for entry in same if _is_ours(entry)][:1]
        others = [entry for entry in same if not _is_ours(entry)]
        try:
            if ours:
                workflows[name] = _made(ours[0])
            elif len(others) > 1:
                raise _Unusable(f"{len(others)} distributions have one of this name")
            else:
                workflows[name] = _made(others[0])
                foreign.add(name)
        except _Unusable as error:
            faults[name] = f"The workflow `{name}` ({same[0].value}) is disabled: {error}."
            continue
        if ours and others:
            faults[name] = (
                f"The workflow `{name}` ({others[0].value}) is disabled: one of Headwater's own has this name."
            )
    faults.update((name, f"The workflow `{name}` is disabled: {why}.") for name, why in (unread or {}).items())
    return Workflows(workflows, frozenset(foreign), faults)


def _is_ours(entry: Entry) -> bool:
    return entry.dist is not None and entry.dist.name == _OURS


def _made(entry: Entry) -> Workflow:
    try:
        kind = entry.load()
    except (Exception, SystemExit) as error:
        raise _Unusable(f"it can not be imported ({_words(error)})") from None
    if not (isinstance(kind, type) and issubclass(kind, Workflow)):
        raise _Unusable(f"it names a `{type(kind).__name__}` in place of a class that inherits from `Workflow`")
    try:
        made: Workflow = kind()
        _check(made, entry.name)
    except _Unusable:
        raise
    except HeadwaterError as error:
        raise _Unusable(error.message.rstrip(".")) from None
    except (Exception, SystemExit) as error:
        raise _Unusable(f"it can not be made ({_words(error)})") from None
    return made


def _check(made: Workflow, name: str) -> None:
    if getattr(made, "name", None) != name:
        raise _Unusable(f"it calls itself `{getattr(made, 'name', '')}`")
    if type(made).run is Workflow.run:
        raise _Unusable("it has no `run`")
    # Whatever it is: what another distribution brings has passed no type check of ours.
    told: tuple[Any, ...] = (made.title, made.description)
    if not all(isinstance(each, str) for each in told) or made.takes_up not in (True, False):
        raise _Unusable("its `title` and `description` are not texts, or its `takes_up` is not true or false")
    if isinstance(made.needs, str) or not all(isinstance(each, str) for each in made.needs):
        raise _Unusable("its `needs` are not a list of names")
    if made.input_schema is not None:
        if not isinstance(made.input_schema, Mapping):
            raise _Unusable("its `input_schema` is not an object")
        InputSchema(made.input_schema)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
