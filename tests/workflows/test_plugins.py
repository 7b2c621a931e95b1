"""Workflows are found by their entry points, and one that is broken is told of and left out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from headwater.domain.event import Event
from headwater.workflows.chat import Chat
from headwater.workflows.contract import RunContext, Workflow
from headwater.workflows.plugins import GROUP, installed_workflows, load_workflows
from tests.installed import install


class Distribution(NamedTuple):
    name: str


class Entry(NamedTuple):
    """An entry point that loads what it is told to."""

    name: str
    load: Callable[[], Any]
    dist: Distribution | None = Distribution("acme-headwater")
    value: str = "acme_headwater:Translator"


OURS = Distribution("headwater")


def gives(value: object) -> Callable[[], Any]:
    return lambda: value


def raises(error: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


class Acme(Workflow):
    name = "acme"
    input_schema: ClassVar[Any] = {"type": "object"}

    async def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        yield []


class Idle(Workflow):
    name = "acme"


class Needy(Acme):
    def __init__(self, what: int) -> None:
        self.what = what


class Angry(Acme):
    def __init__(self) -> None:
        raise RuntimeError("no")


class Lost(Acme):
    input_schema: ClassVar = {"type": "nonsense"}


class Odd(Acme):
    input_schema: ClassVar[Any] = ["text"]  # as a plug-in without type checks may have it


class Untitled(Acme):
    title = None  # type: ignore[assignment]


class Wanting(Acme):
    needs = "images"


BROKEN = {
    "an import that fails": (raises(ImportError("no module named acme")), "can not be imported.*no module named acme"),
    "an import that ends the process": (raises(SystemExit(3)), "can not be imported.*SystemExit"),
    "an object in place of a class": (gives(Acme()), "names a `Acme` in place of a class"),
    "another class": (gives(dict), "in place of a class that inherits"),
    "nothing": (gives(None), "names a `NoneType`"),
    "a class that wants something": (gives(Needy), "can not be made.*TypeError"),
    "a class that raises": (gives(Angry), "can not be made.*RuntimeError: no"),
    "another name": (gives(Chat), "calls itself `chat`"),
    "no name": (gives(type("Nameless", (Workflow,), {})), "calls itself ``"),
    "no work": (gives(Idle), "has no `run`"),
    "a schema that is none": (gives(Lost), "schema of its input is none"),
    "a schema that is no object": (gives(Odd), "`input_schema` is not an object"),
    "a title that is none": (gives(Untitled), "not texts"),
    "one need for many": (gives(Wanting), "`needs` are not a list"),
}


def test_ours_are_found_as_anybody_s_are() -> None:
    found = installed_workflows()
    assert found.faults == {}
    ours = {entry.name for entry in metadata.entry_points(group=GROUP) if entry.dist and entry.dist.name == "headwater"}
    assert {*found.workflows} - found.foreign == ours
    assert isinstance(found.workflows["chat"], Chat)


def test_a_list_that_can_not_be_read_hides_no_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = installed_workflows()
    install(monkeypatch, tmp_path, "broken-of-test", f"[{GROUP}]\nchat\nacme = x:Y\n")
    found = installed_workflows()
    assert [*found.workflows] == [*ours.workflows]
    assert [*found.faults] == ["chat", "acme"]
    assert found.faults["acme"].startswith(
        "The workflow `acme` is disabled: the file entry_points.txt of the distribut"
    )


def test_a_foreign_one_is_known_for_one() -> None:
    found = load_workflows([Entry("chat", gives(Chat), OURS), Entry("acme", gives(Acme)), Entry("acme2", gives(None))])
    assert ([*found.workflows], [*found.foreign], [*found.faults]) == (["acme", "chat"], ["acme"], ["acme2"])


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_one_is_told_of_and_left_out(case: str) -> None:
    load, words = BROKEN[case]
    found = load_workflows([Entry("acme", load), Entry("chat", gives(Chat), OURS)])
    assert [*found.workflows] == ["chat"]
    assert re.search(words, found.faults["acme"]), found.faults["acme"]
    assert found.faults["acme"].startswith("The workflow `acme` (acme_headwater:Translator) is disabled: ")


def test_nobody_takes_a_name_of_ours() -> None:
    found = load_workflows([Entry("chat", raises(AssertionError("was loaded"))), Entry("chat", gives(Chat), OURS)])
    assert (found.foreign, isinstance(found.workflows["chat"], Chat)) == (frozenset(), True)
    assert "one of Headwater's own has this name" in found.faults["chat"]


def test_of_two_with_one_name_neither_is_used() -> None:
    found = load_workflows([Entry("acme", gives(Acme)), Entry("acme", gives(Acme), Distribution("other"))])
    assert found.workflows == {}
    assert "2 distributions" in found.faults["acme"]


def test_one_that_is_found_twice_is_one() -> None:
    found = load_workflows([Entry("chat", gives(Chat), OURS), Entry("chat", gives(Chat), OURS)])
    assert ([*found.workflows], found.faults) == (["chat"], {})
