"""The product keeps its invariants in every schedule; the same seed is the same schedule.

`HEADWATER_SIMULATION_SEEDS` says how many schedules there are (`make simulate SEEDS=2000`). A failure names its seed,
and `SEED=973 make simulate` plays that one alone.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.kit import history as seen
from tests.kit.checker import check, report
from tests.kit.facts import Facts
from tests.kit.history import History
from tests.simulation.world import simulate

#: What continuous integration plays; the mutants are caught within these.
CI_SEEDS = 300
_BLOCK = 25

if os.environ.get("SEED"):
    BLOCKS = [range(int(os.environ["SEED"]), int(os.environ["SEED"]) + 1)]
else:
    _SEEDS = int(os.environ.get("HEADWATER_SIMULATION_SEEDS") or CI_SEEDS)
    BLOCKS = [range(start, min(start + _BLOCK, _SEEDS)) for start in range(0, _SEEDS, _BLOCK)]


@pytest.mark.parametrize("seeds", BLOCKS, ids=lambda seeds: f"seeds {seeds.start} to {seeds[-1]}")
def test_every_schedule_keeps_the_invariants(seeds: range) -> None:
    for seed in seeds:
        try:
            history = simulate(seed)
        except Exception:
            print(f"SEED={seed}")
            raise
        violations = check(history)
        assert not violations, f"SEED={seed}\n{report(violations)}\n\n{_story(history, violations[0].where)}"


def _story(history: History, where: str) -> str:
    """What was noted of the run or client that the first violation is about, and what befell the servers."""
    client = next((what for _, what in history if isinstance(what, seen.Opened) and what.client == where), None)
    names = {where} if client is None else {where, client.run}
    lines = []
    for at, what in history:
        members = {name: getattr(what, name) for name in what.__struct_fields__}
        if names & {member for member in members.values() if isinstance(member, str)} or not members:
            shown = ", ".join(f"{name}={_shown(value)}" for name, value in members.items())
            lines.append(f"{at:9.3f} {type(what).__name__}({shown})")
    return "\n".join(lines)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:120]}…{text[-30:]}"


def test_the_same_seed_is_the_same_history() -> None:
    for seed in range(10):
        assert simulate(seed).lines() == simulate(seed).lines(), f"SEED={seed}"


def test_the_schedules_hold_what_they_are_there_for() -> None:
    """A simulation in which nothing goes wrong proves nothing."""
    found: Counter[str] = Counter()
    for seed in range(CI_SEEDS):
        history = simulate(seed)
        facts = Facts(history)
        found.update(type(what).__name__ for _, what in history)
        found.update(f"closed: {what.how}" for _, what in history if isinstance(what, seen.Closed))
        found.update(f"down: {what.why}" for _, what in history if isinstance(what, seen.Down))
        for run in facts.runs.values():
            found.update(f"record: {record.type}" for record in run.records)
            if run.final is not None and run.final.type == "error":
                found.update([f"error: {run.final.data['code']}"])
            if len({w.writer for w in run.writes}) > 1:
                whole = run.final is not None and run.final.type == "complete"
                found.update(["taken over", *([f"went on: {run.on_crash}"] if whole else [])])
            states = {record.data["state"] for record in run.records if record.type == "status"}
            found.update(f"state: {state}" for state in states)
        for reading in facts.clients.values():
            payloads = [event.payload for event, _ in reading.events if isinstance(event, seen.Got)]
            found.update("id only" if payload is None else "block" for payload in payloads)
            found.update("snapshot" for payload in payloads if payload and b'"type":"snapshot"' in payload)
    wanted = {
        *(f"closed: {how}" for how in ("end", "none", "cut", "left", "refused")),
        *(f"down: {why}" for why in ("kill", "disk", "drain")),
        *("went on: rerun", "went on: continue", "went on: reattach", "state: reattaching"),
        *("SpaceGone", "Cancelled", "Deleted", "taken over", "id only", "snapshot"),
        *(f"record: {kind}" for kind in ("complete", "cancelled", "error", "attempt", "reasoning", "status", "usage")),
        *(f"error: {code}" for code in ("INTERRUPTED", "TIMEOUT", "TRUNCATED", "DRAINING", "STORAGE", "SERVER")),
    }
    few = {name: found[name] for name in wanted if found[name] < 3}
    assert not few, f"hardly any of these in {CI_SEEDS} schedules: {few}"
