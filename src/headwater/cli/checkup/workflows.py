"""The workflows: whether each that is installed can be used."""

from __future__ import annotations

from headwater.cli.checkup.finding import Findings
from headwater.workflows.plugins import Workflows


def check_workflows(installed: Workflows) -> Findings:
    """What there is to run, and what is disabled and why."""
    found = Findings("workflows")
    ours = sorted({*installed.workflows} - installed.foreign)
    if "chat" in ours:
        found.ok(f"Of Headwater's own there are {', '.join(f'`{name}`' for name in ours)}.")
    else:
        found.problem(
            "Headwater's own workflows are not there.", "Install Headwater anew: its metadata is of another version."
        )
    for name in sorted(installed.foreign):
        found.ok(f"`{name}` comes from another distribution.")
    for fault in installed.faults.values():
        found.warning(fault, "Correct, update or uninstall the plug-in; what else is installed works.")
    return found
