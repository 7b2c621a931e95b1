"""Analyses over HTTP, with the model that the test plays."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

from headwater.domain.event import Chunk
from headwater.providers.contract import Finish
from headwater.wire.sse import Frame, SSEDecoder
from headwater.workflows.arc import tasks
from tests.api.composed import RunningApi
from tests.api.test_problem import check

TASK: Final = "007bbfb7"
WHOLE: Final = f"/api/analyze/{TASK}/prompted"
STREAM: Final = f"/api/stream/analyze/{TASK}/prompted"
ANALYSES: Final = "/api/arc/analyses"


async def answer_text(*, right: bool = True) -> str:
    task = await tasks.find(TASK)
    grid = task.test[0].output if right else [[0]]
    return json.dumps({"patternDescription": "Rule", "predictedOutput": grid, "confidence": 80})


async def say_all(api: RunningApi, *, right: bool = True) -> None:
    """Every call from now on is answered at once."""
    api.prompter.script = [[Chunk(await answer_text(right=right), 0)], [Finish("stop")]]


def frames_of(content: bytes) -> list[Frame]:
    decoder = SSEDecoder()
    return [*decoder.feed(content), *decoder.end()]


def places_of(frames: list[Frame]) -> tuple[str, list[int]]:
    """The run that the ids name, and the records' seqs, which the ids name too."""
    seqs = [json.loads(frame.data)["seq"] for frame in frames]
    runs = {str(frame.id).partition(":")[0] for frame in frames}
    assert [frame.id for frame in frames] == [f"{min(runs)}:{seq}" for seq in seqs]
    assert len(runs) == 1
    return runs.pop(), seqs


async def analysis_of(api: RunningApi, run: str) -> dict[str, Any]:
    response = await api.client.get(f"{ANALYSES}/{run}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def problem_in(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The refusal, found to be one and to be this one."""
    problem = check(response.status_code, dict(response.headers), response.content)
    assert (response.status_code, problem["code"]) == (status, code), problem
    return problem
