"""What is said of the workflows that are installed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from headwater.cli.checkup.finding import Level
from headwater.cli.checkup.workflows import check_workflows
from headwater.domain.event import Event
from headwater.workflows.chat import Chat
from headwater.workflows.contract import RunContext, Workflow
from headwater.workflows.plugins import Workflows, installed_workflows


class Acme(Workflow):
    name = "acme"

    async def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        yield []


def test_what_is_installed_here_is_fine() -> None:
    ours, *_ = found = check_workflows(installed_workflows())
    assert {finding.level for finding in found} == {Level.OK}
    assert "`chat`" in ours.text


def test_a_foreign_one_is_named_and_a_broken_one_is_a_warning() -> None:
    fault = "The workflow `lost` (lost:Lost) is disabled: it can not be imported."
    workflows = Workflows({"acme": Acme(), "chat": Chat()}, frozenset({"acme"}), {"lost": fault})
    found = check_workflows(workflows)
    assert [(finding.level, finding.text) for finding in found] == [
        (Level.OK, "Of Headwater's own there are `chat`."),
        (Level.OK, "`acme` comes from another distribution."),
        (Level.WARNING, fault),
    ]


def test_an_installation_without_its_entry_points_is_a_problem() -> None:
    (finding,) = check_workflows(Workflows({}))
    assert finding.level is Level.PROBLEM
