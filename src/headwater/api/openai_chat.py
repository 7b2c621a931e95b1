"""`POST /v1/chat/completions`: what OpenAI's SDKs call, with only their base URL changed.

The run behind an answer is like any other: `X-Run-Id` leads to it in `/api/v1`. What differs is what happens when the
caller leaves, who in this API has no way to come back: the run is stopped then, unless a header says otherwise.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, Headers
from headwater.api.bounds import CANCEL_AFTER_S, check_bounds
from headwater.api.openai_error import ModelNotFoundError
from headwater.api.openai_request import ChatCompletionRequest, run_request
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import check_model, idempotency_key
from headwater.api.stream import face_stream
from headwater.delivery.formats.openai_chat import OpenAIChatStream, identity
from headwater.delivery.formats.openai_completion import OpenAIChatCompletion
from headwater.domain.run import CancelAfter, OnDisconnect, RunRequest
from headwater.errors import BadRequestError

PATH = "/v1/chat/completions"
#: What happens when the caller leaves: `continue`, `cancel`, or how many seconds to wait before the run is stopped.
ON_DISCONNECT = "Headwater-On-Disconnect"
ON_DISCONNECT_DEFAULT = CancelAfter(5)
#: Models that may answer in place of the one that is asked, in order, with commas between them.
FALLBACK = "Headwater-Fallback"
#: Whether a call that fails after it has put something out may be made again, which is paid for once more.
AFTER_OUTPUT: Final = "Headwater-After-Output"

LEAVING_HEADER: Final = parameters.header(
    ON_DISCONNECT,
    {"type": "string"},
    "When the caller leaves: `continue`, `cancel`, or stop after so many seconds; 5 by default",
)
FALLBACK_HEADER: Final = parameters.header(
    FALLBACK,
    {"type": "string"},
    "Models that may answer in place of the one that is asked, in order, with commas between them",
)

AFTER_OUTPUT_HEADER: Final = parameters.header(
    AFTER_OUTPUT,
    {"type": "string", "enum": ["fail", "new_attempt"]},
    "When a model fails in the middle of its answer: `fail`, the default, or, of an answer in one piece, `new_attempt`",
)

_SECONDS = re.compile(r"\d{1,6}(\.\d{1,3})?", re.ASCII)


def on_disconnect(header: str | None) -> OnDisconnect:
    """What the header asks for. Raises `BadRequestError`."""
    match header:
        case None:
            return ON_DISCONNECT_DEFAULT
        case "continue" | "cancel":
            return header
    if _SECONDS.fullmatch(header) is None or not CANCEL_AFTER_S.holds(seconds := float(header)):
        expected = f"`continue`, `cancel`, or a number of seconds {CANCEL_AFTER_S}"
        raise BadRequestError(f"{ON_DISCONNECT} must be {expected}.", parameter=ON_DISCONNECT)
    return CancelAfter(seconds)


def fallback(header: str | None) -> list[str]:
    """The models that the header names."""
    return [name.strip() for name in (header or "").split(",") if name.strip()]


def model_not_found(name: str) -> ModelNotFoundError:
    return ModelNotFoundError(f"There is no model `{name[:100]}`; `GET /v1/models` lists them.", pointer="/model")


def after_output(call: Call, request: RunRequest, *, is_whole: bool) -> RunRequest:
    """The request with what the header asks for; a new attempt only for an answer that comes `is_whole`, in one piece.

    Nothing of that is shown before its end, so all of it can be taken back. Raises `BadRequestError`.
    """
    match call.header(AFTER_OUTPUT):
        case None | "fail":
            return request
        case "new_attempt" if is_whole:
            return msgspec.structs.replace(request, after_output="new_attempt")
        case "new_attempt":
            why = "is for an answer in one piece: what was streamed can not be taken back"
            raise BadRequestError(f"{AFTER_OUTPUT}: `new_attempt` {why}.", parameter=AFTER_OUTPUT)
    raise BadRequestError(f"{AFTER_OUTPUT} must be `fail` or `new_attempt`.", parameter=AFTER_OUTPUT)


async def complete(call: Call) -> Asgi:
    body: ChatCompletionRequest = call.body
    if all(model.name != body.model for model in call.services.catalog.models()):
        raise model_not_found(body.model)
    request = run_request(body, on_disconnect(call.header(ON_DISCONNECT)), fallback(call.header(FALLBACK)))
    request = after_output(call, request, is_whole=not body.stream)
    check_bounds(request)
    check_model(call, request, fallback_header=FALLBACK)
    key = idempotency_key(call, f"POST {PATH}", request)
    run, created = await call.services.supervisor.submit(request, call.owner, idempotency=key)
    headers: Headers = [] if created else [(b"idempotency-replayed", b"true")]
    named = identity(run.id, run.created_at_ms, body.model)
    if body.stream:
        return face_stream(call, run, OpenAIChatStream(named, include_usage=body.include_usage), headers)
    return face_stream(call, run, OpenAIChatCompletion(named), headers)


CHAT_COMPLETIONS = Resource(
    PATH,
    Operation(
        "POST",
        complete,
        "Complete a chat, as OpenAI's API does",
        (Reply(200, "The completion; with `stream` its chunks", media=("application/json", "text/event-stream")),),
        headers=(
            LEAVING_HEADER,
            FALLBACK_HEADER,
            AFTER_OUTPUT_HEADER,
            parameters.IDEMPOTENT_ANSWER,
        ),
        takes=ChatCompletionRequest,
    ),
)
