"""`/chat`: an answer in a chat that is kept, whole or a token a frame.

The run behind an answer is like any other; its owner is whom `x-org-id` and `x-user-id` name, or the query where an
EventSource asks. Who leaves stops it after a moment, unless a header says otherwise.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec
import structlog

from headwater.api import parameters
from headwater.api.answer import Asgi, Headers, Receive, Scope, Send, no_content
from headwater.api.bounds import check_bounds
from headwater.api.chats import find_chat, history, owner_of_chats
from headwater.api.openai_chat import AFTER_OUTPUT_HEADER, LEAVING_HEADER, ON_DISCONNECT, after_output, on_disconnect
from headwater.api.owner import ORG_HEADER, USER_HEADER, named_owner
from headwater.api.parameters import format_time
from headwater.api.problem import NO_SUCH_RUN
from headwater.api.route import Call, Operation, Parameter, Reply, Resource
from headwater.api.runs import check_model, make_key, own_run
from headwater.api.settling import unless_forgotten
from headwater.api.stream import face_stream
from headwater.api.talk_terms import usual_models
from headwater.delivery.cursor import parse_event_id
from headwater.delivery.formats.tokens import Identity, TokenAnswer, TokenStream
from headwater.domain.message import Message
from headwater.domain.run import Owner, Run, RunRequest
from headwater.errors import BadRequestError, BudgetError, ContextLengthError, LogMissing, NotFoundError, TooLargeError
from headwater.providers import estimate
from headwater.storage.contract import IdempotencyKey
from headwater.workflows.stored_chat import CHAT, StoredChat, chat_of, message_id

PATH: Final = "/chat"

_log = structlog.get_logger(__name__)


class ChatAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the user says, and in which chat."""

    message: str
    chat_id: str | None = None
    #: in place of the models of the configuration
    model: str | None = None


class ChatReply(msgspec.Struct, frozen=True):
    """A whole answer. `created_at` is when it was asked for."""

    chat_id: str
    message_id: str
    reply: str
    created_at: str


class _Begun(NamedTuple):
    run: Run
    headers: Headers


async def ask(call: Call) -> Asgi:
    begun = await _begin(call, call.body, owner_of_chats(call), whole=True)
    run = begun.run
    face = TokenAnswer(Identity(chat_of(run.id, run.request), message_id(run.id), format_time(run.created_at_ms)))
    return _told(call, begun, face)


async def ask_aloud(call: Call) -> Asgi:
    return _told(call, await _begin(call, call.body, owner_of_chats(call)), TokenStream())


async def listen(call: Call) -> Asgi:
    """For an EventSource, which comes back by itself: then the answer goes on, and no model is asked again."""
    query = call.query
    org, user = query.get("orgId", call.header(ORG_HEADER)), query.get("userId", call.header(USER_HEADER))
    owner = named_owner(org, user, own=call.key_owner, org_name="orgId", user_name="userId")
    if (last := call.header("last-event-id")) is not None:
        return await _go_on(call, last, owner)
    begun = await _begin(call, ChatAsked(query["message"], query.get("chatId"), query.get("model")), owner)
    return _told(call, begun, TokenStream(run=begun.run.id))


async def _go_on(call: Call, last: str, owner: Owner) -> Asgi:
    """The rest of an answer; 204 where there is none, which is what ends an EventSource."""
    run_id, after = parse_event_id(last)
    run = await own_run(call, run_id, owner)
    if run.request.workflow != StoredChat.name:
        raise NotFoundError(NO_SUCH_RUN)
    try:
        log = await call.services.storage.log.state(run.id)
    except LogMissing:
        raise NotFoundError(NO_SUCH_RUN) from None
    if log.closed and after >= log.tail:
        return no_content()
    return _told(call, _Begun(run, _headers(run)), TokenStream(run=run.id, after=after))


async def _begin(call: Call, asked: ChatAsked, owner: Owner, *, whole: bool = False) -> _Begun:
    """Starts the run, or finds the one that the same idempotency key made. Raises `RefusedError`."""
    services, terms = call.services, call.services.chat
    if not asked.message.strip():
        raise BadRequestError("There is nothing to answer.", pointer="/message")
    if len(asked.message) > terms.message_chars_max:
        raise TooLargeError(f"A message has at most {terms.message_chars_max} characters.", pointer="/message")
    models = [asked.model] if asked.model is not None else list(terms.models or usual_models(services.catalog.models()))
    said = Message("user", asked.message)
    bare = RunRequest(
        models[0],
        StoredChat.name,
        [said],
        fallback=models[1:],
        on_disconnect=on_disconnect(call.header(ON_DISCONNECT)),
        metadata={} if asked.chat_id is None else {CHAT: asked.chat_id},
    )
    bare = after_output(call, bare, is_whole=whole)
    # Compared with what was asked: what is sent along changes from one time to the next.
    key = make_key(owner, f"POST {PATH}", call.header("idempotency-key"), bare, {"parameter": "Idempotency-Key"})
    before = [] if asked.chat_id is None else await history(call, owner, asked.chat_id, terms.context_tokens_max)
    request = msgspec.structs.replace(bare, messages=[*before, said])
    tokens = estimate.tokens(estimate.input_bytes(request.messages))
    if tokens > terms.input_tokens_max:
        raise ContextLengthError(f"A request has at most {terms.input_tokens_max} tokens; this has about {tokens}.")
    check_bounds(request)
    check_model(call, request)
    run, created = await _submit(call, request, owner, key, tokens)
    if created:
        _log.info("chat started", requestId=run.id, textLength=len(asked.message), inputTokens=tokens)
        if asked.chat_id is not None:
            await unless_forgotten(call, run, find_chat(call, owner, asked.chat_id))
    replayed: Headers = [] if created else [(b"idempotency-replayed", b"true")]
    return _Begun(run, [*_headers(run), *replayed])


async def _submit(
    call: Call, request: RunRequest, owner: Owner, key: IdempotencyKey | None, tokens: int
) -> tuple[Run, bool]:
    """The budget is looked at before the run exists: these tokens are held for it, and some for its answer."""
    try:
        hold = call.services.day_tokens.hold(owner, tokens, call.services.chat.output_tokens_reserved)
    except BudgetError:
        # Who asks again for an answer that is paid for, perhaps with the last of the day, spends nothing.
        if key is None or (earlier := await call.services.storage.runs.find(key)) is None:
            raise
        return earlier, False
    created = False
    try:
        run, created = await call.services.supervisor.submit(request, owner, idempotency=key)
    finally:
        if not created:
            hold.release()
    if created:
        hold.bind(run.id)
    return run, created


def _headers(run: Run) -> Headers:
    return [(b"x-chat-id", chat_of(run.id, run.request).encode())]


def _told(call: Call, begun: _Begun, face: TokenStream | TokenAnswer) -> Asgi:
    """The answer, and in the log how it ended for this caller. Never what was said."""
    answer = face_stream(call, begun.run, face, begun.headers)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await answer(scope, receive, send)
        finally:
            _log.info(
                "chat ended" if face.ended else "chat left",
                requestId=begun.run.id,
                tokensStreamed=face.pieces if isinstance(face, TokenStream) else 0,
                totalLength=len(face.text),
                totalTokens=_tokens(begun.run, face),
            )

    return serve


def _tokens(run: Run, face: TokenStream | TokenAnswer) -> int:
    """Of input and output, as the log told them; to who left before it did, an estimate of what had come."""
    if face.ended:
        return face.tokens
    sent, came = estimate.input_bytes(run.request.messages), estimate.utf8_bytes(face.text)
    return max(face.tokens, estimate.tokens(sent) + estimate.tokens(came))


def _optional(name: str, about: str) -> Parameter[str]:
    return parameters.text(name, 200, about)


_OWNER_HEADERS: Final = (
    parameters.header(ORG_HEADER, {"type": "string"}, "The organisation; a default one where it is left out"),
    parameters.header(USER_HEADER, {"type": "string"}, "The user; `local` where it is left out"),
)
_ASK_HEADERS: Final = (*_OWNER_HEADERS, LEAVING_HEADER, parameters.IDEMPOTENT_ANSWER)
_STREAM: Final[Literal["text/event-stream"]] = "text/event-stream"

CHAT_WHOLE = Resource(
    PATH,
    Operation(
        "POST",
        ask,
        "Answer in a chat that is kept",
        (Reply(200, "The answer", ChatReply),),
        (),
        (*_ASK_HEADERS, AFTER_OUTPUT_HEADER),
        ChatAsked,
    ),
)
CHAT_STREAM = Resource(
    "/chat/stream",
    Operation(
        "POST",
        ask_aloud,
        "Answer in a chat that is kept, a token a frame",
        (Reply(200, "The answer's frames", media=(_STREAM,)),),
        (),
        _ASK_HEADERS,
        ChatAsked,
    ),
    Operation(
        "GET",
        listen,
        "The same for an EventSource; with `Last-Event-ID` what is left of an answer",
        (Reply(200, "The answer's frames", media=(_STREAM,)), Reply(204, "Nothing is left of that answer")),
        query=(
            parameters.text("message", 8_000, "What the user says")._replace(required=True),
            _optional("orgId", "As the header `x-org-id`"),
            _optional("userId", "As the header `x-user-id`"),
            _optional("chatId", "The chat to go on with"),
            _optional("model", "In place of the models of the configuration"),
        ),
        headers=(parameters.header("Last-Event-ID", {"type": "string"}, "The `id` of the last frame that was read"),),
        head=False,
    ),
)
