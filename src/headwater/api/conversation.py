"""`/api/conversation/{user_id}` and `/api/conversation-stream/{user_id}`: an assistant that knows its session.

The run behind an answer is like any other, and goes on when its reader leaves, unless a header says otherwise.
"""

from __future__ import annotations

from typing import Final

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, Headers
from headwater.api.bounds import check_bounds
from headwater.api.openai_chat import ON_DISCONNECT, on_disconnect
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import check_model, idempotency_key
from headwater.api.sessions import find_session, settle_session, user_of
from headwater.api.settling import unless_forgotten
from headwater.api.stream import face_stream
from headwater.api.talk_terms import usual_models
from headwater.delivery.formats.conversation import ConversationAnswer, ConversationStream
from headwater.domain.run import Limits, Run, RunRequest
from headwater.errors import BadRequestError, TooLargeError
from headwater.workflows.conversation import Asked, Conversation, session_of

#: Of a run's title; what lists runs has no more room.
TITLE_CHARS_MAX: Final = 80


class ConversationAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the person says, and in which session."""

    message: str
    session_id: str | None = None
    #: in place of the models of the configuration
    model: str | None = None


class ConversationReply(msgspec.Struct, frozen=True):
    """A whole answer, and what could be said next."""

    message: str
    suggestions: list[str]
    session_id: str


async def converse(call: Call) -> Asgi:
    run, headers = await _begin(call)
    return face_stream(call, run, ConversationAnswer(session_of(run.id, run.request)), headers)


async def converse_aloud(call: Call) -> Asgi:
    run, headers = await _begin(call)
    return face_stream(call, run, ConversationStream(session_of(run.id, run.request)), headers)


async def _begin(call: Call) -> tuple[Run, Headers]:
    """Starts the run, or finds the one that the same idempotency key made. Raises `RefusedError`."""
    asked: ConversationAsked = call.body
    user, services, terms = user_of(call), call.services, call.services.conversation
    if not asked.message.strip():
        raise BadRequestError("There is nothing to answer.", pointer="/message")
    if len(asked.message) > terms.message_chars_max:
        raise TooLargeError(f"A message has at most {terms.message_chars_max} characters.", pointer="/message")
    if asked.session_id is not None:
        await find_session(call, asked.session_id)
        await settle_session(call, asked.session_id)
    models = [asked.model] if asked.model is not None else list(terms.models or usual_models(services.catalog.models()))
    wanted = Asked(user, asked.message, asked.session_id, terms.chunks_max, terms.context_tokens_max)
    leaving = call.header(ON_DISCONNECT)
    request = RunRequest(
        models[0],
        Conversation.name,
        input=msgspec.to_builtins(wanted),
        fallback=models[1:],
        on_disconnect="continue" if leaving is None else on_disconnect(leaving),
        limits=Limits(total_s=terms.total_s),
        metadata=_metadata(asked),
    )
    check_bounds(request)
    check_model(call, request)
    # A repeat over the other address is the same run too.
    key = idempotency_key(call, f"POST /api/conversation/{user}", request)
    run, created = await services.supervisor.submit(request, call.owner, idempotency=key)
    if created and asked.session_id is not None:
        await unless_forgotten(call, run, find_session(call, asked.session_id))
    replayed: Headers = [] if created else [(b"idempotency-replayed", b"true")]
    return run, [(b"x-session-id", session_of(run.id, run.request).encode()), *replayed]


def _metadata(asked: ConversationAsked) -> dict[str, str]:
    """How lists of runs know the turn, and that it belongs to the one that began its session."""
    title = {"title": asked.message.strip().splitlines()[0][:TITLE_CHARS_MAX]}
    if asked.session_id is None:
        return title
    return {**title, "conversation": asked.session_id.replace("ses_", "run_", 1)}


_LEAVING: Final = parameters.header(
    ON_DISCONNECT,
    {"type": "string"},
    "When the caller leaves: `continue`, the default, `cancel`, or stop after so many seconds",
)
_HEADERS: Final = (_LEAVING, parameters.IDEMPOTENT_ANSWER)

CONVERSATION = Resource(
    "/api/conversation/{user_id}",
    Operation(
        "POST",
        converse,
        "Answer in a conversation",
        (Reply(200, "The answer", ConversationReply),),
        headers=_HEADERS,
        takes=ConversationAsked,
    ),
)
CONVERSATION_STREAM = Resource(
    "/api/conversation-stream/{user_id}",
    Operation(
        "POST",
        converse_aloud,
        "Answer in a conversation while the answer is made",
        (Reply(200, "The answer's events", media=("text/event-stream",)),),
        headers=_HEADERS,
        takes=ConversationAsked,
    ),
)
