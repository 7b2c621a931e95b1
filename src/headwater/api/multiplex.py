"""The events of several runs over one connection."""

from __future__ import annotations

from headwater.api import accept, parameters
from headwater.api.answer import GUARD_HEADERS, SAFETY_HEADERS, Asgi, Receive, Scope, Send
from headwater.api.route import Call, Operation, Parameter, Reply, Resource
from headwater.api.runs import own_run
from headwater.delivery.cursor import parse_cursors, parse_place
from headwater.delivery.multiplex import RUNS_MAX
from headwater.domain.event import EVENT_TYPES
from headwater.errors import BadRequestError, NotFoundError

#: A refusal names the run that it is about, and no more of what is none.
NAMED_CHARS_MAX = 100


async def many(call: Call) -> Asgi:
    accept.choose(call.header("accept"), (accept.EVENT_STREAM,))
    places = await _places(call)
    types = call.query.get("types")

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        extra = [*SAFETY_HEADERS, *scope.get(GUARD_HEADERS, ())]
        await call.services.hub.serve_many(scope, receive, send, places, types=types, extra_headers=extra)

    return stream


async def _places(call: Call) -> list[tuple[str, int]]:
    """The runs that are asked for, all of them the caller's, and where each is to be read on."""
    places: list[tuple[str, int]] = [parse_place(text) for text in call.query["run"]]
    if len(places) > RUNS_MAX:
        raise BadRequestError(f"One connection carries at most {RUNS_MAX} runs.", parameter="run")
    if len({run for run, _ in places}) < len(places):
        raise BadRequestError("A run was given more than once.", parameter="run")
    for run, _ in places:
        try:
            await own_run(call, run)
        except NotFoundError as error:
            error.extra["run"] = run[:NAMED_CHARS_MAX]
            raise
    # EventSource repeats its URL with every reconnect, so what it has read since wins.
    last = call.header("last-event-id")
    if not last:
        return places
    return [(run, after) for (run, _), after in zip(places, parse_cursors(last, len(places)), strict=True)]


_RUN = {"type": "string", "examples": ["run_0df1db63509d75b02953ca4e5d41e645:41"]}

MULTIPLEX = Resource(
    "/api/v1/events",
    Operation(
        "GET",
        many,
        "Read the events of several runs over one connection",
        (
            Reply(200, "Records after the cursors, each with its run", media=(accept.EVENT_STREAM,)),
            Reply(204, "The logs are closed and all of them have been read, so that EventSource stops"),
        ),
        query=(
            Parameter(
                "run",
                str,
                {"type": "array", "items": _RUN, "minItems": 1, "maxItems": RUNS_MAX, "uniqueItems": True},
                "A run, and behind a colon the seq of its last record that is known",
                repeated=True,
                required=True,
            ),
            parameters.some_of("types", list(EVENT_TYPES), "Only records of these types; the cursors still move"),
        ),
        headers=(
            parameters.header(
                "Last-Event-ID", {"type": "string"}, "The cursors, in the order of the runs: `41.7.0`; wins over `run`"
            ),
        ),
        head=False,
    ),
)
