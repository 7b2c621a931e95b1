"""What runs can do is listed by the names that callers use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import msgspec

from headwater.api.resources import WorkflowList, WorkflowResource
from headwater.domain.event import Event
from headwater.workflows.chat import Chat
from headwater.workflows.contract import RunContext, Workflow
from tests.api.composed import running_api


class Counts(Workflow):
    name = "counts"
    title = "Counter"
    description = "Counts."
    input_schema: ClassVar = {"type": "object", "required": ["to"]}

    async def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        yield []


async def test_workflows_are_listed_with_what_they_take() -> None:
    async with running_api(workflows={"counts": Counts(), "chat": Chat()}) as api:
        response = await api.client.get("/api/v1/workflows")
    assert response.status_code == 200
    assert msgspec.json.decode(response.content, type=WorkflowList) == WorkflowList(
        [
            WorkflowResource("chat", Chat.title, Chat.description, None),
            WorkflowResource("counts", "Counter", "Counts.", {"type": "object", "required": ["to"]}),
        ]
    )
