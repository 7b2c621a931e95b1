"""The workflow `analysis`: a model is shown a puzzle and asked for its rule and grids, and what it says is judged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import msgspec

from headwater.domain.document import Document
from headwater.domain.event import Attempt, Call, Event
from headwater.domain.message import GenerationRequest, Settings
from headwater.domain.run import RunRequest
from headwater.domain.surrogates import scrub_surrogates
from headwater.errors import BadRequestError, NotFoundError
from headwater.providers.simulated import NAME as SIMULATED
from headwater.workflows.arc import simulated, tasks
from headwater.workflows.arc.prompt import prompt_of
from headwater.workflows.arc.schema import INPUT_SCHEMA, AnalysisInput, answer_schema
from headwater.workflows.arc.stored import document_of, result_of, shown, stored_of
from headwater.workflows.arc.task import Task
from headwater.workflows.contract import EndedRun, RunContext, Workflow
from headwater.workflows.structured import StructuredAnswer, Verdict, structured

#: Of what is wrong with an answer's JSON, so much is told in the result.
FLAWS_MAX: Final = 5
NOTE_CHARS_MAX: Final = 200


class Analysis(Workflow):
    name = "analysis"
    title = "Puzzle analysis"
    description = "Shows a model a puzzle of the Abstraction and Reasoning Corpus, streams its answer, and judges it."
    input_schema = INPUT_SCHEMA

    def check(self, request: RunRequest) -> None:
        if request.messages:
            raise BadRequestError("The workflow `analysis` takes `input`, not `messages`.", pointer="/messages")
        if request.settings.json_schema is not None or request.settings.json_object:
            raise BadRequestError("The form of the answer is the workflow's own.", pointer="/settings/json_schema")
        try:
            tasks.check(request.input["task_id"])
        except NotFoundError as error:
            error.extra["pointer"] = "/input/task_id"
            raise

    def title_of(self, request: RunRequest) -> str:
        return f"Analysis of {request.input['task_id']}"

    async def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        request = context.request
        asked = msgspec.convert(request.input, AnalysisInput)
        task = await tasks.find(asked.task_id)
        prompt = prompt_of(task, asked.prompt, include_answer=asked.include_answer)
        told = shown(task, prompt)
        yield [told.event]
        answer = StructuredAnswer(answer_schema(len(task.test)))
        provider = ""
        call = GenerationRequest(request.model, prompt.messages, _settings(context, asked, task))
        async for events in structured(context, call, answer):
            for event in events:
                if isinstance(event, Call | Attempt):
                    provider = event.provider
            yield events
        verdict = answer.verdict()
        result = result_of(
            request,
            told,
            value=verdict.value,
            text=verdict.text,
            provider=provider,
            is_whole=True,
            notes=[*_notes(verdict)],
        )
        context.set_result(scrub_surrogates(msgspec.to_builtins(result)))

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        return [document_of(stored_of(ended), ended.request)]


def _notes(verdict: Verdict) -> Iterator[str]:
    if verdict.repairs:
        yield f"The JSON was mended ({', '.join(verdict.repairs)})."
    for flaw in verdict.errors[:FLAWS_MAX]:
        yield flaw.message[:NOTE_CHARS_MAX] + (f" ({flaw.path[:NOTE_CHARS_MAX]})" if flaw.path else "")


def _settings(context: RunContext, asked: AnalysisInput, task: Task) -> Settings:
    request = context.request
    settings = request.settings
    if asked.structured and context.can("json_schema"):
        settings = msgspec.structs.replace(settings, json_schema=answer_schema(len(task.test)))
    if request.model != SIMULATED:
        return settings
    outcome = asked.simulated or simulated.outcome_of(task, settings.seed)
    return simulated.scripted(settings, *simulated.analysis_answer(task, outcome, settings.seed))
