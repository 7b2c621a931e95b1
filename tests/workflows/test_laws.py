"""Our own workflows keep the laws that the kit holds everybody's to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from headwater.domain.message import Message
from headwater.testing import check_workflow
from headwater.workflows.arc import tasks
from headwater.workflows.plugins import installed_workflows

pytestmark = pytest.mark.slow

PUZZLE: Final = "00d62c1b"
HELLO: Final = [Message("user", "Hello")]
INSTALLED: Final = installed_workflows()
PROGRAM: Final = "```python\ndef transform(grid):\n    return grid\n```"


def solution(grid: list[list[int]]) -> str:
    said = {"solvingStrategy": "Look.", "patternDescription": "Fills.", "hints": ["a"], "confidence": 90}
    return json.dumps({"predictedOutput": grid, **said})


#: By the workflow's name: what it is asked, and what models answer where the puzzle's is this output.
CASES: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "chat": lambda right: {"messages": HELLO},
    "stored_chat": lambda right: {"messages": HELLO},
    "conversation": lambda right: {
        "input": {"user_id": "u", "message": "Find me a restaurant in Tokyo"},
        "answers": ('{"intent": "find"}', "Go to Shinjuku.", '{"suggestions": ["And then?"]}'),
    },
    "analysis": lambda right: {"input": {"task_id": PUZZLE}, "answers": lambda request: right},
    "solver": lambda right: {
        "input": {"task_id": PUZZLE, "iterations": 2, "programs": 1},
        "answers": lambda request: PROGRAM,
    },
    "visual_solver": lambda right: {"input": {"task_id": PUZZLE}, "answers": lambda request: right},
}


def test_each_of_ours_is_held_to_them() -> None:
    assert {*INSTALLED.workflows} - INSTALLED.foreign == {*CASES}


@pytest.mark.parametrize("name", CASES)
async def test_it_keeps_the_laws(name: str) -> None:
    task = await tasks.find(PUZZLE)
    workflow = type(INSTALLED.workflows[name])()
    try:
        await check_workflow(workflow, **CASES[name](solution(task.test[0].output)))
    finally:
        await workflow.close()
