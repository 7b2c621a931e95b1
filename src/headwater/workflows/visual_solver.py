"""The workflow `visual_solver`: a model looks at a puzzle's pictures, learns phase by phase, and answers the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from headwater.domain.document import Document
from headwater.domain.event import Attempt, Call, Event, Status
from headwater.domain.message import GenerationRequest, Settings
from headwater.domain.run import RunRequest
from headwater.domain.surrogates import scrub_surrogates
from headwater.errors import BadRequestError, NotFoundError
from headwater.providers.simulated import NAME as SIMULATED
from headwater.workflows.arc import phases as ph
from headwater.workflows.arc import tasks
from headwater.workflows.arc.schema import PROMPT_CHARS_MAX, answer_schema
from headwater.workflows.arc.simulated import outcome_of, scripted
from headwater.workflows.arc.simulated_looks import looked
from headwater.workflows.arc.task import Task
from headwater.workflows.arc.visual_solution import Seen, VisualInput, document_of, result_of
from headwater.workflows.contract import EndedRun, RunContext, Workflow
from headwater.workflows.structured import StructuredAnswer, structured
from headwater.workflows.taking_up import withdrawn

_INPUT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "task_id": {"type": "string", "pattern": "^[0-9a-f]{8}$", "description": "The puzzle's id"},
        "prompt": {
            "type": "string",
            "minLength": 1,
            "maxLength": PROMPT_CHARS_MAX,
            "description": "What the model is told to do, in place of the built-in words",
        },
        "structured": {
            "type": "boolean",
            "description": "Whether the model is given a schema of its answers, if it takes one, and not words alone",
        },
        "simulated": {
            "enum": ["right", "wrong", "malformed"],
            "description": "What the simulated model is to answer",
        },
    },
    "required": ["task_id"],
    "additionalProperties": False,
}


class VisualSolver(Workflow):
    name = "visual_solver"
    title = "Visual solver"
    description = (
        "Shows a model a puzzle of the Abstraction and Reasoning Corpus as pictures, has it predict and correct "
        "itself, and judges its answers to the tests."
    )
    input_schema = _INPUT
    needs = ("images",)
    takes_up = True

    def check(self, request: RunRequest) -> None:
        if request.messages:
            raise BadRequestError("The workflow `visual_solver` takes `input`, not `messages`.", pointer="/messages")
        if request.settings.json_schema is not None or request.settings.json_object:
            raise BadRequestError("The form of the answers is the workflow's own.", pointer="/settings/json_schema")
        try:
            tasks.check(request.input["task_id"])
        except NotFoundError as error:
            error.extra["pointer"] = "/input/task_id"
            raise

    def title_of(self, request: RunRequest) -> str:
        return f"Solve {request.input['task_id']}"

    async def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        asked = msgspec.convert(context.request.input, VisualInput)
        task = await tasks.find(asked.task_id)
        outcomes, kept = ph.finished(context.before)
        if again := withdrawn(context.before, kept):
            yield list(again)
        seen = Seen.of(task, ph.system(asked.prompt), outcomes)
        yield [seen.event]
        pictures = await ph.pictures_of(task)
        provider = _provider(context.before)
        plan = ph.phases_of(task)
        for number in range(len(outcomes) + 1, len(plan) + 1):
            phase = plan[number - 1]
            yield [Status(state=phase.name, progress=(number - 1) / len(plan)), ph.begun(number, phase, len(plan))]
            said = ph.Said()
            messages = ph.conversation(task, pictures, outcomes, asked.prompt)
            call = GenerationRequest(context.request.model, messages, _settings(context, asked, task, phase))
            calling = (
                structured(context, call, StructuredAnswer(answer_schema(1)))
                if phase.is_answer
                else context.generate(call, role="internal")
            )
            async for events in calling:
                said.take(events)
                provider = _provider(events) or provider
                yield events
            outcomes.append(ph.outcome_of(phase, task, said))
            seen = Seen.of(task, ph.system(asked.prompt), outcomes)
            yield [ph.done(number, outcomes[-1], len(plan)), seen.event]
        result = result_of(context.request, seen, outcomes, is_simulated=provider == SIMULATED)
        context.set_result(scrub_surrogates(msgspec.to_builtins(result)))

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        return [document_of(ended)]


def _provider(events: Sequence[Event]) -> str:
    """Who was asked last, as these events tell; "" where they do not."""
    return next((event.provider for event in reversed(events) if isinstance(event, Call | Attempt)), "")


def _settings(context: RunContext, asked: VisualInput, task: Task, phase: ph.Phase) -> Settings:
    request = context.request
    settings = request.settings
    if phase.is_answer and asked.structured and context.can("json_schema"):
        settings = msgspec.structs.replace(settings, json_schema=answer_schema(1))
    if request.model != SIMULATED:
        return settings
    outcome = asked.simulated or outcome_of(task, settings.seed)
    return scripted(settings, *looked(phase, task, outcome, settings.seed))
