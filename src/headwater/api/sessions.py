"""What of conversations is kept: sessions and their turns, and what people thought of the answers."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, json_answer, no_content
from headwater.api.chats import PAGE_LIMIT, PAGE_LIMIT_MAX, MessageError, shortened
from headwater.api.parameters import format_time
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.settling import forget, settled_page
from headwater.domain.document import Document
from headwater.errors import BadRequestError, NotFoundError
from headwater.workflows.conversation import NO_SUCH_SESSION, SESSION, SESSIONS, TURNS, USER, USER_CHARS_MAX

FEEDBACK: Final = "feedback"
VOTE: Final = "vote"
_RUN_CHARS_MAX: Final = 100
#: Of a session's turns, the newest that may just have ended.
_UNSETTLED_MAX: Final = 4

Vote = Literal["up", "down"]


class SessionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A session in a list. Its title is how its first message begins; null where that was deleted."""

    session_id: str
    title: str | None
    created_at: str


class SessionList(msgspec.Struct, frozen=True):
    """Sessions, newest first. `next` is the `cursor` of the following page, null at the end."""

    sessions: list[SessionSummary]
    next: str | None


class TurnResource(msgspec.Struct, frozen=True, kw_only=True):
    """A message and its answer. `state` is `running`, `complete`, `partial` or `failed`."""

    run: str
    message: str
    answer: str
    state: str
    error: MessageError | None
    context: dict[str, Any] | None
    suggestions: list[str]
    vote: Vote | None
    created_at: str


class SessionResource(SessionSummary, frozen=True, kw_only=True):
    """A session with a page of its turns, in the order in which they were said; `next` leads to those before them."""

    #: what the newest of these turns knew
    context: dict[str, Any] | None
    turns: list[TurnResource]
    next: str | None


class FeedbackGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person thinks of an answer; `none` takes an earlier vote back."""

    run: str
    vote: Literal["up", "down", "none"]


class FeedbackResource(msgspec.Struct, frozen=True):
    run: str
    vote: Vote
    at: str


class FeedbackList(msgspec.Struct, frozen=True):
    """Votes, newest first. `next` is the `cursor` of the following page, null at the end."""

    feedback: list[FeedbackResource]
    next: str | None


def user_of(call: Call) -> str:
    """The application's name for the person. Raises `BadRequestError`."""
    user = call.path["user_id"]
    if not 0 < len(user) <= USER_CHARS_MAX or not user.isprintable():
        raise BadRequestError(f"A user's id has 1 to {USER_CHARS_MAX} printable characters.", parameter="user_id")
    return user


async def find_session(call: Call, session: str) -> Document:
    """The user's session of this id. Raises `NotFoundError`, the same in every case."""
    found = None
    if session.isprintable() and len(session) <= _RUN_CHARS_MAX:
        found = await call.services.storage.documents.get(call.owner, SESSIONS, session)
    if found is None or found.body["user_id"] != user_of(call):
        raise NotFoundError(NO_SUCH_SESSION)
    return found


async def settle_session(call: Call, session: str) -> None:
    """Returns once what the run of the next turn looks up has the turns that a reader has seen the end of."""
    where = {SESSION: session, USER: user_of(call)}
    await settled_page(call, call.owner, TURNS, where, limit=_UNSETTLED_MAX)


async def list_sessions(call: Call) -> Asgi:
    page = await call.services.storage.documents.list(call.owner, SESSIONS, where={USER: user_of(call)}, **_place(call))
    return json_answer(SessionList([await _summary(call, each) for each in page.documents], page.next_cursor))


def _place(call: Call) -> dict[str, Any]:
    return {"limit": call.query.get("limit", PAGE_LIMIT), "cursor": call.query.get("cursor")}


async def _summary(call: Call, session: Document) -> SessionSummary:
    first = await call.services.storage.documents.get(call.owner, TURNS, session.body["first"])
    title = None if first is None else shortened(first.body["message"])
    return SessionSummary(session_id=session.key, title=title, created_at=format_time(session.body["created_at_ms"]))


async def show_session(call: Call) -> Asgi:
    session = await find_session(call, call.path["session"])
    where = {SESSION: session.key, USER: user_of(call)}
    page = await settled_page(call, call.owner, TURNS, where, **_place(call))
    known = (each.body.get("context") for each in page.documents)
    summary = await _summary(call, session)
    return json_answer(
        SessionResource(
            **msgspec.structs.asdict(summary),
            context=next((each for each in known if each), None),
            turns=[await _turn(call, each) for each in reversed(page.documents)],
            next=page.next_cursor,
        )
    )


async def forget_session(call: Call) -> Asgi:
    session = await find_session(call, call.path["session"])
    await forget(call, call.owner, session, TURNS, {SESSION: session.key, USER: user_of(call)})
    return no_content()


async def _turn(call: Call, turn: Document) -> TurnResource:
    body: dict[str, Any] = {"error": None, "context": None, "suggestions": [], **turn.body}
    error, created_at = body.pop("error"), format_time(body.pop("created_at_ms"))
    voted = await call.services.storage.documents.get(call.owner, FEEDBACK, turn.key)
    return TurnResource(
        **body,
        run=turn.key,
        error=None if error is None else MessageError(**error),
        vote=None if voted is None else voted.body["vote"],
        created_at=created_at,
    )


async def give_feedback(call: Call) -> Asgi:
    given: FeedbackGiven = call.body
    user, documents = user_of(call), call.services.storage.documents
    turn = None
    if 0 < len(given.run) <= _RUN_CHARS_MAX and given.run.isprintable():
        turn = await documents.get(call.owner, TURNS, given.run)
    if turn is None or turn.words.get(USER) != user:
        raise NotFoundError("There is no such answer.")
    if given.vote == "none":
        await documents.delete(call.owner, FEEDBACK, turn.key)
    else:
        body = {"vote": given.vote, "at_ms": call.services.now_ms()}
        words = {USER: user, VOTE: given.vote}
        await documents.put(call.owner, [Document(FEEDBACK, turn.key, body, words, turn.key)])
    return json_answer(given)


async def list_feedback(call: Call) -> Asgi:
    where = {USER: user_of(call)}
    if (vote := call.query.get("vote")) is not None:
        where[VOTE] = vote
    page = await call.services.storage.documents.list(call.owner, FEEDBACK, where=where, **_place(call))
    votes = [FeedbackResource(each.key, each.body["vote"], format_time(each.body["at_ms"])) for each in page.documents]
    return json_answer(FeedbackList(votes, page.next_cursor))


_PAGING: Final = (
    parameters.integer("limit", 1, PAGE_LIMIT_MAX, f"How many on a page, {PAGE_LIMIT} by default"),
    parameters.text("cursor", 500, "`next` of the page before"),
)

CONVERSATION_SESSIONS = Resource(
    "/api/conversation/{user_id}/sessions",
    Operation(
        "GET",
        list_sessions,
        "List a user's sessions, newest first",
        (Reply(200, "A page of sessions", SessionList),),
        _PAGING,
    ),
)
CONVERSATION_SESSION = Resource(
    "/api/conversation/{user_id}/sessions/{session}",
    Operation(
        "GET", show_session, "Show a session and its turns", (Reply(200, "The session", SessionResource),), _PAGING
    ),
    Operation(
        "DELETE", forget_session, "Forget a session, its turns, votes and runs", (Reply(204, "It is forgotten"),)
    ),
)
CONVERSATION_FEEDBACK = Resource(
    "/api/conversation/{user_id}/feedback",
    Operation(
        "POST",
        give_feedback,
        "Say what a person thinks of an answer",
        (Reply(200, "It is stored", FeedbackGiven),),
        takes=FeedbackGiven,
    ),
    Operation(
        "GET",
        list_feedback,
        "List what a user thought of answers, newest first",
        (Reply(200, "A page of votes", FeedbackList),),
        (parameters.one_of("vote", ("up", "down"), "Only these"), *_PAGING),
    ),
)
