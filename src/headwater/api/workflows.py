"""Workflows: what runs can do."""

from __future__ import annotations

from headwater.api.answer import Asgi, json_answer
from headwater.api.resources import WorkflowList, WorkflowResource
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.workflows.contract import Workflow


async def workflows(call: Call) -> Asgi:
    listed = sorted(call.services.workflows.items())
    return json_answer(WorkflowList([_resource(name, workflow) for name, workflow in listed]))


def _resource(name: str, workflow: Workflow) -> WorkflowResource:
    schema = workflow.input_schema
    return WorkflowResource(name, workflow.title, workflow.description, None if schema is None else dict(schema))


WORKFLOWS = Resource(
    "/api/v1/workflows",
    Operation("GET", workflows, "List the workflows that can be run", (Reply(200, "All of them", WorkflowList),)),
)
