"""`POST /v1/messages`: what Anthropic's SDKs call, with only their base URL changed.

As in `/v1/chat/completions` the run behind an answer is like any other, and stopped when its caller leaves unless a
header says otherwise.
"""

from __future__ import annotations

from typing import Final

from headwater.api import parameters
from headwater.api.answer import Asgi, Headers
from headwater.api.anthropic_request import MessageRequest, run_request
from headwater.api.bounds import check_bounds
from headwater.api.openai_chat import (
    AFTER_OUTPUT_HEADER,
    FALLBACK,
    FALLBACK_HEADER,
    LEAVING_HEADER,
    ON_DISCONNECT,
    after_output,
    fallback,
    on_disconnect,
)
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import check_model, idempotency_key
from headwater.api.stream import face_stream
from headwater.delivery.formats.anthropic_message import AnthropicMessage
from headwater.delivery.formats.anthropic_stream import AnthropicStream, identity
from headwater.errors import NotFoundError, RefusedError

PATH: Final = "/v1/messages"

#: How the parts of a run are called here.
_NAMES: Final = {
    "/settings/stop": "/stop_sequences",
    "/settings/json_schema": "/output_config/format",
    "/settings/reasoning_effort": "/thinking",
    "/settings/parallel_tool_calls": "/tool_choice",
}


async def create(call: Call) -> Asgi:
    body: MessageRequest = call.body
    if all(model.name != body.model for model in call.services.catalog.models()):
        named = body.model[:100]
        raise NotFoundError(f"There is no model `{named}`; `GET /api/v1/models` lists them.", pointer="/model")
    request = run_request(body, on_disconnect(call.header(ON_DISCONNECT)), fallback(call.header(FALLBACK)))
    request = after_output(call, request, is_whole=not body.stream)
    try:
        check_bounds(request)
        check_model(call, request, fallback_header=FALLBACK)
    except RefusedError as error:
        if (pointer := error.extra.get("pointer")) is not None:
            error.extra["pointer"] = in_their_words(str(pointer), has_system=body.system is not None)
        raise
    key = idempotency_key(call, f"POST {PATH}", request)
    run, created = await call.services.supervisor.submit(request, call.owner, idempotency=key)
    # The SDKs show it as the request's id.
    headers: Headers = [
        (b"request-id", run.id.encode()),
        *([] if created else [(b"idempotency-replayed", b"true")]),
    ]
    named_by = identity(run.id, body.model)
    return face_stream(call, run, AnthropicStream(named_by) if body.stream else AnthropicMessage(named_by), headers)


def in_their_words(pointer: str, *, has_system: bool) -> str:
    """A pointer into the run as one into the body: the system's text is the run's first message."""
    for ours, theirs in _NAMES.items():
        if pointer == ours or pointer.startswith(f"{ours}/"):
            return theirs + pointer.removeprefix(ours)
    head, _, rest = pointer.removeprefix("/messages/").partition("/")
    if pointer.startswith("/messages/") and has_system and head.isdigit():
        return "/system" if head == "0" else f"/messages/{int(head) - 1}" + f"/{rest}" * bool(rest)
    return pointer.removeprefix("/settings")


MESSAGES = Resource(
    PATH,
    Operation(
        "POST",
        create,
        "Create a message, as Anthropic's API does",
        (Reply(200, "The message; with `stream` its events", media=("application/json", "text/event-stream")),),
        headers=(LEAVING_HEADER, FALLBACK_HEADER, AFTER_OUTPUT_HEADER, parameters.IDEMPOTENT_ANSWER),
        takes=MessageRequest,
        # The SDKs' beta namespace asks with `?beta=true`, and for nothing else by it.
        lenient=True,
    ),
)
