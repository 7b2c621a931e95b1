"""The plainest workflow: one model call, its messages in and its answer out."""

from __future__ import annotations

from collections.abc import AsyncIterator

from headwater.domain.event import Event
from headwater.domain.message import GenerationRequest
from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError
from headwater.workflows.contract import RunContext, Workflow


class Chat(Workflow):
    name = "chat"
    title = "Chat"
    description = "One call of the model: messages in, its answer out."

    def check(self, request: RunRequest) -> None:
        if not request.messages:
            raise BadRequestError("`messages` is empty: a chat needs at least one message.", pointer="/messages")

    def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        asked = context.request
        # the call's own iterator: a generator around it would cost every token a step more
        return context.generate(GenerationRequest(asked.model, asked.messages, asked.settings))
