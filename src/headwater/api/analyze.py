"""An analysis of a puzzle, by an address alone: as an event stream for an EventSource, or whole.

Who asks for what goes on already joins it. That nobody pays twice is the idempotency keys' work: the key of an analysis
is what it asks for, and which analysis that asked for the same has ended last. As long as one goes on, all that ask
have the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, get_args

import msgspec

from headwater.api import accept, parameters
from headwater.api.analyses import WORKFLOW, AnalysisResource, resource
from headwater.api.answer import Asgi, json_answer
from headwater.api.bounds import check_bounds
from headwater.api.idempotency import digest
from headwater.api.route import Call, Operation, Parameter, Reply, Resource
from headwater.api.runs import check_model, own_run
from headwater.api.stream import event_stream
from headwater.delivery.cursor import Cursor, parse_event_id
from headwater.delivery.polling import RECORDS_MAX, WAIT_MS_MAX
from headwater.domain.message import GenerationRequest, Message, ReasoningEffort, Settings
from headwater.domain.run import Run, RunRequest, is_ended
from headwater.errors import ConflictError, DisabledError, LogMissing, NotFoundError, UnsupportedError
from headwater.storage.contract import IdempotencyKey
from headwater.workflows.arc import tasks
from headwater.workflows.arc.schema import PROMPT_CHARS_MAX, AnalysisInput, Outcome, answer_schema
from headwater.workflows.arc.stored import COLLECTION, parameters_of

#: How long a whole answer waits to be stored: what it is stands in the run's log already.
STORED_WITHIN_S: Final = 5.0
FLAG: Final = "sse_streaming"
TEMPERATURE_MAX: Final = 2
SEED_MAX: Final = 2**31 - 1
#: Of the keys' scope; one for both operations, which join each other's analyses.
_ROUTE: Final = "/api/analyze"
#: How many analyses of the same may have been deleted, or have ended this very moment.
_KEYS_MAX: Final = 100


class AnalyzeAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said of an analysis beside its puzzle and its model."""

    # Bounded here, too, so that what is wrong is named as it was sent, and not by its place in the run's request.
    temperature: Annotated[float, msgspec.Meta(ge=0, le=TEMPERATURE_MAX)] | None = None
    prompt: Annotated[str, msgspec.Meta(min_length=1, max_length=PROMPT_CHARS_MAX)] | None = None
    reasoning_effort: ReasoningEffort | None = None
    include_answer: bool = False
    simulated: Outcome | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=SEED_MAX)] | None = None


async def stream(call: Call) -> Asgi:
    """The records of the analysis that the last event's id names, or of the one that goes on, or of a new one."""
    accept.choose(call.header("accept"), (accept.EVENT_STREAM,))
    if last := call.header("last-event-id"):
        run_id, after = parse_event_id(last)
        run = await own_run(call, run_id)
        if run.request.workflow != WORKFLOW:
            raise NotFoundError("There is no such analysis.")
        return event_stream(call, run, Cursor(after), ids_name_run=True)
    if not call.services.sse_streaming:
        raise DisabledError("Event streams are switched off; ask for the whole answer by POST.", flag=FLAG)
    run = await begin_or_join(call, AnalyzeAsked(**call.query))
    return event_stream(call, run, Cursor(), ids_name_run=True)


async def whole(call: Call) -> Asgi:
    """The analysis when it has ended, in whichever way."""
    run = await begin_or_join(call, call.body or AnalyzeAsked())
    after = 0
    while True:
        page = await call.services.hub.page(run.id, after, WAIT_MS_MAX, RECORDS_MAX)
        after = page.last
        if page.at_end:
            break
    # Who asks for the list next is to find it there.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STORED_WITHIN_S):
            await call.services.supervisor.over(run.id)
    return json_answer(await resource(call, run), headers=[(b"x-run-id", run.id.encode())])


async def begin_or_join(call: Call, asked: AnalyzeAsked) -> Run:
    """A new run, or the owner's that goes on and asks for the same. Raises `RefusedError`."""
    await tasks.find(call.path["task"])
    request = _request(call, asked)
    check_bounds(request)
    check_model(call, request)
    wanted = parameters_of(request)
    for run in call.services.supervisor.live_of(call.owner):
        if _asks_for(run, wanted) and not await _is_over(call, run):
            return run
    where = {"parameters": wanted}
    ended = (await call.services.storage.documents.list(call.owner, COLLECTION, where=where, limit=1)).documents
    before = ended[0].key if ended else "none"
    for _ in range(_KEYS_MAX):
        key = IdempotencyKey(call.owner, _ROUTE, f"{wanted}.{before}", digest(request))
        try:
            run, is_new = await call.services.supervisor.submit(request, call.owner, idempotency=key)
        except ConflictError:
            # the analysis that this key began was deleted
            before += "-"
            continue
        if is_new or not await _is_over(call, run):
            return run
        before = run.id
    raise ConflictError("Too many analyses of the same were deleted; change its seed.")


def _request(call: Call, asked: AnalyzeAsked) -> RunRequest:
    model = call.path["model"]
    analysis = AnalysisInput(
        task_id=call.path["task"],
        prompt=asked.prompt,
        include_answer=asked.include_answer,
        structured=_takes_schema(call, model),
        simulated=asked.simulated,
    )
    settings = Settings(temperature=asked.temperature, reasoning_effort=asked.reasoning_effort, seed=asked.seed)
    return RunRequest(model, workflow=WORKFLOW, input=msgspec.to_builtins(analysis), settings=settings)


def _takes_schema(call: Call, model: str) -> bool:
    """A model that can be given no schema of its answer is told in words."""
    settings = Settings(json_schema=answer_schema(1))
    try:
        call.services.catalog.check(GenerationRequest(model, [Message("user", "A puzzle")], settings))
    except UnsupportedError:
        return False
    return True


def _asks_for(run: Run, wanted: str) -> bool:
    return run.request.workflow == WORKFLOW and parameters_of(run.request) == wanted


async def _is_over(call: Call, run: Run) -> bool:
    """Whether it has its end, be it that its row does not say so yet."""
    if is_ended(run.state):
        return True
    try:
        return (await call.services.storage.log.state(run.id)).closed
    except LogMissing:
        return False


def _temperature(text: str) -> float:
    try:
        if len(text) <= 20 and 0 <= (temperature := float(text)) <= TEMPERATURE_MAX:
            return temperature
    except ValueError:
        pass
    raise ValueError(f"a number from 0 to {TEMPERATURE_MAX}")


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _row(name: str, parse: Callable[[str], Any], schema: Mapping[str, object], about: str) -> Parameter[Any]:
    return Parameter(name, parse, schema, about)


_QUERY: Final[Sequence[Parameter[Any]]] = (
    _row(
        "temperature",
        _temperature,
        {"type": "number", "minimum": 0, "maximum": TEMPERATURE_MAX},
        "As in a run's settings",
    ),
    parameters.text("prompt", PROMPT_CHARS_MAX, "What the model is told to do, in place of the built-in words"),
    parameters.one_of("reasoning_effort", get_args(ReasoningEffort), "As in a run's settings"),
    _row("include_answer", _flag, {"type": "boolean"}, "Show the model the tests' outputs, to explain the rule"),
    parameters.one_of("simulated", get_args(Outcome), "What the simulated model is to answer"),
    parameters.integer("seed", 0, SEED_MAX, "As in a run's settings"),
)

ANALYZE_STREAM = Resource(
    "/api/stream/analyze/{task}/{model}",
    Operation(
        "GET",
        stream,
        "Analyse a puzzle, or join the analysis that goes on, as an event stream for EventSource",
        (
            Reply(200, "The run's records from the first, or after the last id", media=(accept.EVENT_STREAM,)),
            Reply(204, "The analysis has ended and all of it has been read, so that EventSource stops"),
        ),
        query=_QUERY,
        headers=(parameters.header("Last-Event-ID", {"type": "string"}, "`<run>:<seq>`: go on after this record"),),
        head=False,
    ),
    with_slashes=("model",),
)
ANALYZE = Resource(
    "/api/analyze/{task}/{model}",
    Operation(
        "POST",
        whole,
        "Analyse a puzzle, or join the analysis that goes on, and answer when it has ended",
        (Reply(200, "The analysis, however it has ended", AnalysisResource),),
        takes=AnalyzeAsked,
        body_optional=True,
    ),
    with_slashes=("model",),
)
