from __future__ import annotations

from headwater.cli.checkup.finding import Finding, Findings, Level


def test_findings_know_their_area() -> None:
    found = Findings("disk")
    found.ok("a")
    found.note("b")
    found.warning("c", "do x")
    found.problem("d", "do y")
    assert list(found) == [
        Finding("disk", Level.OK, "a"),
        Finding("disk", Level.NOTE, "b"),
        Finding("disk", Level.WARNING, "c", "do x"),
        Finding("disk", Level.PROBLEM, "d", "do y"),
    ]
