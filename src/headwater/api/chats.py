"""What of chats is kept: to be sent along, read back, forgotten."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, json_answer, no_content
from headwater.api.owner import ORG_HEADER, USER_HEADER, named_owner
from headwater.api.parameters import format_time
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.settling import forget, settled_page
from headwater.domain.document import Document
from headwater.domain.message import Message
from headwater.domain.run import Owner
from headwater.errors import NotFoundError
from headwater.providers import estimate
from headwater.workflows.history import newest_within
from headwater.workflows.stored_chat import CHAT, CHAT_ID, CHATS, MESSAGES, NO_SUCH_CHAT, message_id

PAGE_LIMIT: Final = 50
PAGE_LIMIT_MAX: Final = 200
TITLE_CHARS_MAX: Final = 80
#: Of a chat's messages, the newest that may be sent along: so many at a time until there are enough.
HISTORY_MAX: Final = 200
HISTORY_PAGE: Final = 20


class MessageError(msgspec.Struct, frozen=True):
    code: str
    message: str


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is kept. `state` is `running`, `complete`, `partial` or `failed`."""

    message_id: str
    role: str
    content: str
    state: str
    #: the run that it came with
    run: str | None
    error: MessageError | None
    created_at: str


class ChatSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A chat in a list. Its title is how its first message begins; null where that was deleted."""

    chat_id: str
    title: str | None
    created_at: str


class ChatList(msgspec.Struct, frozen=True):
    """Chats, newest first. `next` is the `cursor` of the following page, null at the end."""

    chats: list[ChatSummary]
    next: str | None


class StoredChatResource(ChatSummary, frozen=True, kw_only=True):
    """A chat with a page of its messages, in the order in which they were said; `next` leads to those before them."""

    org_id: str
    user_id: str
    messages: list[ChatMessage]
    next: str | None


def owner_of_chats(call: Call) -> Owner:
    """Whose chats the caller speaks of: here too where neither header is sent, it is the default organisation."""
    return named_owner(call.header(ORG_HEADER), call.header(USER_HEADER), own=call.key_owner)


async def find_chat(call: Call, owner: Owner, chat: str) -> Document:
    """Raises `NotFoundError`, the same in every case."""
    found = await call.services.storage.documents.get(owner, CHATS, chat) if CHAT_ID.fullmatch(chat) else None
    if found is None:
        raise NotFoundError(NO_SUCH_CHAT)
    return found


async def history(call: Call, owner: Owner, chat: str, tokens_max: int) -> list[Message]:
    """The newest of what was said in a chat that has at most so many tokens, oldest first. Raises `NotFoundError`.

    What was never answered a word is left out: many models take only questions and answers by turns.
    """
    await find_chat(call, owner, chat)
    newest: list[Message] = []
    answered: set[str | None] = set()
    cursor: str | None = None
    for _ in range(HISTORY_MAX // HISTORY_PAGE):
        page = await settled_page(call, owner, MESSAGES, {CHAT: chat}, limit=HISTORY_PAGE, cursor=cursor)
        for each in page.documents:
            # It stands behind its question, and so comes first here.
            if each.body["role"] == "assistant" and each.body["content"]:
                answered.add(each.run)
            if each.run in answered:
                newest.append(Message(each.body["role"], each.body["content"]))
        cursor = page.next_cursor
        if cursor is None or estimate.tokens(estimate.input_bytes(newest)) > tokens_max:
            break
    return newest_within(newest[::-1], tokens_max)


async def list_chats(call: Call) -> Asgi:
    owner, documents = owner_of_chats(call), call.services.storage.documents
    page = await documents.list(
        owner, CHATS, limit=call.query.get("limit", PAGE_LIMIT), cursor=call.query.get("cursor")
    )
    return json_answer(ChatList([await _summary(call, owner, each) for each in page.documents], page.next_cursor))


async def _summary(call: Call, owner: Owner, chat: Document) -> ChatSummary:
    first = await call.services.storage.documents.get(owner, MESSAGES, f"{message_id(chat.body['first'])}-user")
    title = None if first is None else shortened(first.body["content"])
    return ChatSummary(chat_id=chat.key, title=title, created_at=format_time(chat.body["created_at_ms"]))


def shortened(text: str) -> str:
    """A text's beginning in one line, for a list."""
    line = " ".join(text[: 4 * TITLE_CHARS_MAX].split())
    return line if len(line) <= TITLE_CHARS_MAX else line[: TITLE_CHARS_MAX - 1] + "…"


async def show_chat(call: Call) -> Asgi:
    owner = owner_of_chats(call)
    chat = await find_chat(call, owner, call.path["chat_id"])
    place = {"limit": call.query.get("limit", PAGE_LIMIT), "cursor": call.query.get("cursor")}
    page = await settled_page(call, owner, MESSAGES, {CHAT: chat.key}, **place)
    summary = await _summary(call, owner, chat)
    return json_answer(
        StoredChatResource(
            **msgspec.structs.asdict(summary),
            org_id=owner.org,
            user_id=owner.user,
            messages=[_message(each) for each in reversed(page.documents)],
            next=page.next_cursor,
        )
    )


def _message(document: Document) -> ChatMessage:
    body: dict[str, Any] = dict(document.body)
    created_at = format_time(body.pop("created_at_ms"))
    error = body.pop("error", None)
    return ChatMessage(
        **body, run=document.run, error=None if error is None else MessageError(**error), created_at=created_at
    )


async def forget_chat(call: Call) -> Asgi:
    owner = owner_of_chats(call)
    chat = await find_chat(call, owner, call.path["chat_id"])
    await forget(call, owner, chat, MESSAGES, {CHAT: chat.key})
    return no_content()


_PAGING: Final = (
    parameters.integer("limit", 1, PAGE_LIMIT_MAX, f"How many on a page, {PAGE_LIMIT} by default"),
    parameters.text("cursor", 500, "`next` of the page before"),
)

STORED_CHATS = Resource(
    "/chat/chats",
    Operation("GET", list_chats, "List chats, newest first", (Reply(200, "A page of chats", ChatList),), _PAGING),
)
STORED_CHAT = Resource(
    "/chat/chats/{chat_id}",
    Operation("GET", show_chat, "Show a chat and its messages", (Reply(200, "The chat", StoredChatResource),), _PAGING),
    Operation("DELETE", forget_chat, "Forget a chat, its messages and their runs", (Reply(204, "It is forgotten"),)),
)
