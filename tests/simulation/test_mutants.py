"""Each mistake is caught by the checker within the seeds of continuous integration; which seed caught it is printed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.kit.checker import check
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.test_simulation import CI_SEEDS
from tests.simulation.world import simulate


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_each_mutant_is_caught(mutant: Mutant, record_property: Callable[[str, object], None]) -> None:
    with mutant.applied():
        for seed in range(CI_SEEDS):
            try:
                history = simulate(seed)
            except Exception:
                continue  # the world itself fell over, which is not for the checker to say
            violation = next((v for v in check(history) if v.invariant == mutant.invariant), None)
            if violation is not None:
                note = f"mutant {mutant.name}: caught by seed {seed}, {violation.invariant}: {violation.words}"
                print(note)
                record_property("note", note)
                return
    pytest.fail(f"none of {CI_SEEDS} schedules gives it away: {mutant.words}")


def test_a_mutant_leaves_nothing_behind() -> None:
    before = simulate(1).lines()
    for mutant in MUTANTS:
        with mutant.applied():
            pass
    assert simulate(1).lines() == before
