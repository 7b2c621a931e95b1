"""`/v1/responses`: what OpenAI's SDKs call, with only their base URL changed.

A response is a run, with the run's id in its own. Whoever was cut asks for it again, from the number of the last event
on; that needs no more than the run and its log, so it holds over restarts of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, Headers, json_answer
from headwater.api.bounds import check_bounds
from headwater.api.openai_chat import (
    AFTER_OUTPUT_HEADER,
    FALLBACK,
    FALLBACK_HEADER,
    ON_DISCONNECT,
    after_output,
    fallback,
    model_not_found,
    on_disconnect,
)
from headwater.api.openai_error import PreviousResponseNotFoundError
from headwater.api.responses_items import ITEMS_LIMIT, ITEMS_LIMIT_MAX, ItemList, input_items, item_page
from headwater.api.responses_request import ResponseRequest, check, run_request
from headwater.api.route import Call, Operation, Parameter, Reply, Resource
from headwater.api.runs import check_model, idempotency_key, own_run
from headwater.api.stream import face_stream
from headwater.delivery.formats.responses_object import ResponseState, run_id
from headwater.delivery.formats.responses_stream import ResponseStream
from headwater.delivery.formats.responses_whole import WholeResponse
from headwater.delivery.polling import RECORDS_MAX, WAIT_MS_MAX
from headwater.domain.event import decode_record
from headwater.domain.message import Message
from headwater.domain.run import FaceTerms, OnCrash, Run, RunRequest
from headwater.errors import BadRequestError, CursorAheadError, NotFoundError, RefusedError, TooLargeError

PATH: Final = "/v1/responses"
#: What becomes of the run where the server is killed in the middle of it.
ON_CRASH: Final = "Headwater-On-Crash"
#: How long a cancel waits for the run's end, in seconds.
CANCEL_WAIT_S: Final = 5.0
#: What a model can do that is called by the Responses API itself.
_BACKGROUND: Final = "background"

#: How the parts of a run are called here.
_NAMES: Final = {
    "/settings/max_tokens": "/max_output_tokens",
    "/settings/json_schema": "/text/format",
    "/settings/reasoning_effort": "/reasoning/effort",
    "/settings/verbosity": "/text/verbosity",
}


class DeletedResponse(msgspec.Struct, frozen=True):
    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


async def create_response(call: Call) -> Asgi:
    body: ResponseRequest = call.body
    check(body)
    request = await _run_request(call, body)
    request = after_output(call, request, is_whole=not (body.stream or body.background))
    try:
        check_bounds(request)
        check_model(call, request, fallback_header=FALLBACK)
        key = idempotency_key(call, f"POST {PATH}", request)
        run, created = await call.services.supervisor.submit(request, call.owner, idempotency=key)
    except RefusedError as error:
        raise _in_their_words(error) from None
    headers: Headers = [] if created else [(b"idempotency-replayed", b"true")]
    if body.stream:
        return face_stream(call, run, ResponseStream(run, refuses=True), headers)
    if body.background:
        return _object(run, await _state(call, run), headers)
    return face_stream(call, run, WholeResponse(run), headers)


async def _run_request(call: Call, body: ResponseRequest) -> RunRequest:
    model = next((model for model in call.services.catalog.models() if model.name == body.model), None)
    if model is None:
        raise model_not_found(body.model)
    before = [] if body.previous_response_id is None else await _conversation(call, body.previous_response_id)
    request = run_request(
        body,
        before,
        on_disconnect="continue" if body.background else on_disconnect(call.header(ON_DISCONNECT)),
        on_crash=_on_crash(call.header(ON_CRASH)),
        fallback=fallback(call.header(FALLBACK)),
        summary_for=model.provider if _BACKGROUND in model.capabilities else None,
    )
    if before and len(msgspec.json.encode(request)) > (bytes_max := call.services.body_bytes_max):
        raise TooLargeError(f"The conversation is larger than {bytes_max} bytes.", pointer="/previous_response_id")
    return request


def _on_crash(header: str | None) -> OnCrash:
    match header:
        case None:
            return "interrupt"
        case "interrupt" | "rerun" | "continue" | "reattach":
            return header
    raise BadRequestError(f"{ON_CRASH} must be `interrupt`, `rerun`, `continue` or `reattach`.", parameter=ON_CRASH)


def _in_their_words(error: RefusedError) -> RefusedError:
    """The error with the name of the parameter that its pointer into the run means."""
    pointer = str(error.extra.get("pointer", ""))
    if pointer.startswith("/messages"):
        error.extra["pointer"] = "/input"
    elif pointer in _NAMES:
        error.extra["pointer"] = _NAMES[pointer]
    return error


async def _conversation(call: Call, response: str) -> Sequence[Message]:
    """What was said until the end of a response. Its instructions are not carried over."""
    try:
        run = await _find(call, response)
    except NotFoundError as error:
        raise _not_followed(error.message) from None
    state = await _state(call, run)
    if state.status not in ("completed", "incomplete"):
        raise _not_followed(f"This response is {state.status}, and can not be followed by another.")
    messages = run.request.messages
    said = state.output.message()
    # No model takes a message that says nothing.
    answer = [said] if said != Message("assistant") else []
    return [*(messages[1:] if _terms(run).instructions else messages), *answer]


def _not_followed(message: str) -> PreviousResponseNotFoundError:
    return PreviousResponseNotFoundError(message, pointer="/previous_response_id")


def _terms(run: Run) -> FaceTerms:
    return run.request.face or FaceTerms()


async def _find(call: Call, response: str) -> Run:
    """The run behind a response, if it is the caller's and may be asked for. Raises `NotFoundError`."""
    try:
        run = await own_run(call, run_id(response))
        if _terms(run).stored:
            return run
    except NotFoundError:
        pass
    raise NotFoundError("There is no such response.")


async def _state(call: Call, run: Run) -> ResponseState:
    """How the response stands at its durable tail."""
    state = ResponseState(run)
    await _read(call, run, 0, lambda payload: state.take(decode_record(payload)))
    return state


async def _read(call: Call, run: Run, seq: int, take: Callable[[bytes], object]) -> None:
    """Gives `take` the records after a seq, up to the durable tail."""
    while True:
        page = await call.services.hub.page(run.id, seq, 0, RECORDS_MAX)
        for payload in page.payloads:
            take(payload)
        seq = page.last
        if seq >= page.tail:
            return
        # Taking a page takes milliseconds; whoever else is due may go first.
        await asyncio.sleep(0)


def _object(run: Run, state: ResponseState, headers: Headers = ()) -> Asgi:
    return json_answer(state.json(), 200, [*headers, (b"x-run-id", run.id.encode())])


async def show_response(call: Call) -> Asgi:
    run = await _find(call, call.path["response"])
    after: int = call.query.get("starting_after", -1)
    if call.query.get("stream") != "true":
        if "starting_after" in call.query:
            raise BadRequestError("`starting_after` is for streams: send `stream=true`.", parameter="starting_after")
        return _object(run, await _state(call, run))
    if after >= 0:
        await _check_number(call, run, after)
    return face_stream(call, run, ResponseStream(run, after=after))


async def _check_number(call: Call, run: Run, after: int) -> None:
    """Never a silent wait for events that nobody has seen yet, or that a lost disk has taken along."""
    counted = ResponseStream(run)
    seqs = itertools.count(1)
    await _read(call, run, 0, lambda payload: counted.record(next(seqs), payload))
    if after > counted.last_number:
        raise CursorAheadError(
            f"`starting_after` is {after}, but the last event has the number {counted.last_number}.",
            parameter="starting_after",
        )


async def cancel_response(call: Call) -> Asgi:
    """The response as it ended; one that was faster is as it is."""
    run = await _find(call, call.path["response"])
    noted = await call.services.supervisor.cancel(run.id, call.owner)
    state = await _state(call, noted)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CANCEL_WAIT_S):
            while state.final is None:
                page = await call.services.hub.page(run.id, state.seq, WAIT_MS_MAX, RECORDS_MAX)
                for payload in page.payloads:
                    state.take(decode_record(payload))
    return _object(noted, state)


async def delete_response(call: Call) -> Asgi:
    run = await _find(call, call.path["response"])
    await call.services.supervisor.delete(run.id, call.owner)
    return json_answer(DeletedResponse(call.path["response"]))


async def list_input(call: Call) -> Asgi:
    asked = call.query
    run = await _find(call, call.path["response"])
    items = input_items(run)
    if asked.get("order", "desc") == "desc":
        items.reverse()
    return json_answer(item_page(items, asked.get("after"), asked.get("limit", ITEMS_LIMIT)))


_STREAM: Final = ("application/json", "text/event-stream")
_BOOLEAN: Final = ("true", "false")
#: What the SDKs may ask for beside it. It says nothing about these answers.
_INCLUDE: Final[Parameter[Any]] = parameters.text("include[]", 100, "Passed over")._replace(repeated=True)

RESPONSES = Resource(
    PATH,
    Operation(
        "POST",
        create_response,
        "Make a response, as OpenAI's API does",
        (Reply(200, "The response; with `stream` its events", media=_STREAM),),
        headers=(
            parameters.header(
                ON_DISCONNECT,
                {"type": "string"},
                "When the caller leaves: `continue`, `cancel`, or stop after so many seconds; 5 by default, and"
                " `continue` in the background",
            ),
            parameters.header(
                ON_CRASH,
                {"type": "string", "enum": ["interrupt", "rerun", "continue", "reattach"]},
                "What becomes of it where the server is killed: `interrupt` by default",
            ),
            FALLBACK_HEADER,
            AFTER_OUTPUT_HEADER,
            parameters.IDEMPOTENT_ANSWER,
        ),
        takes=ResponseRequest,
    ),
)
RESPONSE = Resource(
    PATH + "/{response}",
    Operation(
        "GET",
        show_response,
        "Show a response, or read its events on",
        (Reply(200, "The response as it stands; with `stream=true` its events", media=_STREAM),),
        query=(
            parameters.one_of("stream", _BOOLEAN, "`true` for the events: those that were, then those that come"),
            parameters.integer("starting_after", 0, 2**53, "Streams only: the number of the last event that is known"),
            parameters.one_of("include_obfuscation", _BOOLEAN, "Passed over: nothing is padded"),
            _INCLUDE,
        ),
        head=False,
    ),
    Operation(
        "DELETE",
        delete_response,
        "Cancel a response if it is live, then forget it",
        (Reply(200, "Forgotten", DeletedResponse),),
    ),
)
RESPONSE_CANCEL = Resource(
    PATH + "/{response}/cancel",
    Operation(
        "POST",
        cancel_response,
        "Cancel a response",
        (Reply(200, "The response as it ended", media=("application/json",)),),
    ),
)
RESPONSE_INPUT = Resource(
    PATH + "/{response}/input_items",
    Operation(
        "GET",
        list_input,
        "List what a response was asked, the newest first",
        (Reply(200, "A page of items", ItemList),),
        query=(
            parameters.text("after", 200, "The id of the last item of the page before"),
            parameters.integer("limit", 1, ITEMS_LIMIT_MAX, f"Items on a page, {ITEMS_LIMIT} by default"),
            parameters.one_of("order", ("asc", "desc"), "`desc` by default"),
            _INCLUDE,
        ),
    ),
)
