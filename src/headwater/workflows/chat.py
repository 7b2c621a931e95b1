"""The plainest workflow: one model call, its messages in and its answer out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from headwater.domain.event import Event
from headwater.domain.message import GenerationRequest
from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError
from headwater.workflows.answer_schema import AnswerSchema
from headwater.workflows.contract import RunContext, Workflow
from headwater.workflows.structured import StructuredAnswer, structured


class Chat(Workflow):
    name = "chat"
    title = "Chat"
    description = "One call of the model: messages in, its answer out."

    def check(self, request: RunRequest) -> None:
        if not request.messages:
            raise BadRequestError("`messages` is empty: a chat needs at least one message.", pointer="/messages")
        if request.settings.json_schema is not None:
            AnswerSchema(request.settings.json_schema)

    def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        asked = context.request
        request = GenerationRequest(asked.model, asked.messages, asked.settings)
        if asked.settings.json_schema is not None or asked.settings.json_object:
            return _structured(context, request)
        # the call's own iterator: a generator around it would cost every token a step more
        return context.generate(request)


async def _structured(context: RunContext, request: GenerationRequest) -> AsyncGenerator[list[Event], None]:
    answer = StructuredAnswer(request.settings.json_schema)
    async with aclosing(structured(context, request, answer)) as stream:
        async for events in stream:
            yield events
    # a model that calls a tool, or refuses, has not answered yet
    if answer.text.strip():
        context.set_result(answer.verdict().result())
