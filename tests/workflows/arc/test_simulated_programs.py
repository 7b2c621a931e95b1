"""The programs that the simulated model writes are what they are said to be."""

from __future__ import annotations

import pytest

from headwater.workflows.arc import tasks
from headwater.workflows.arc.programs import programs_in
from headwater.workflows.arc.sandbox import Sandbox
from headwater.workflows.arc.simulated import LABEL
from headwater.workflows.arc.simulated_programs import RIGHT, programs_answer, script_of


async def test_the_right_programs_are_right_on_every_pair_and_test() -> None:
    sandbox = Sandbox(processes=1)
    for task_id, returned in RIGHT.items():
        task = await tasks.find(task_id)
        pairs = [*task.train, *task.test]
        outcomes = await sandbox.run(f"def transform(grid):\n    return {returned}", [pair.input for pair in pairs])
        assert [outcome.grid for outcome in outcomes] == [pair.output for pair in pairs], task_id
    await sandbox.close()


@pytest.mark.parametrize("seed", range(20))
async def test_the_right_program_comes_late_and_what_comes_before_is_wrong(seed: int) -> None:
    task = await tasks.find("3c9b0459")
    script = script_of(task, seed)
    assert 2 <= script.right_from <= 4
    for number in range(1, 6):
        text, reasons = programs_answer(task, number, 3, seed)
        codes = programs_in(text, 3).codes
        assert LABEL in text
        assert LABEL in reasons
        assert (len(codes) == 0) == (number == script.without)
        has_right = any(code.endswith(f"return {RIGHT[task.id]}") for code in codes)
        assert has_right == (number >= script.right_from)


async def test_seeds_differ_and_each_says_the_same_again() -> None:
    task = await tasks.find("3c9b0459")
    answers = [programs_answer(task, 1, 3, seed) for seed in (None, 1, 2, 3, 4)]
    assert answers == [programs_answer(task, 1, 3, seed) for seed in (None, 1, 2, 3, 4)]
    assert len(set(answers)) > 1
    assert len({script_of(task, seed) for seed in range(30)}) > 3


@pytest.mark.parametrize("programs", [1, 2, 5])
async def test_there_are_as_many_as_were_asked_for(programs: int) -> None:
    task = await tasks.find("007bbfb7")
    text, _ = programs_answer(task, 1, programs)
    assert len(programs_in(text, programs).codes) == programs
