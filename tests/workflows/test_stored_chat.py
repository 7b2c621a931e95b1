"""What is kept of a chat's run: both messages from its beginning, the answer once more with its end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.document import Document, sealed
from headwater.domain.message import Message, TextPart, Usage
from headwater.domain.run import LOCAL_OWNER, Owner, Run, RunRequest, RunState
from headwater.domain.snapshot import fold
from headwater.errors import BadRequestError, NotFoundError, TooLargeError
from headwater.runs.context import Own
from headwater.storage.memory import MemoryStorage
from headwater.workflows.contract import EndedRun
from headwater.workflows.stored_chat import CHAT, CHATS, KEPT_CHARS_MAX, MESSAGES, StoredChat, chat_of, message_id

RUN = "run_" + "0a" * 16
CHAT_ID = "chat_" + "0b" * 16
ASKED = RunRequest("m", "stored_chat", [Message("user", "One"), Message("assistant", "1"), Message("user", "Two")])
GOES_ON = msgspec.structs.replace(ASKED, metadata={CHAT: CHAT_ID})
FAILED = ev.Error("SERVER", "It broke.", True)


def ended(*events: ev.Event, request: RunRequest = ASKED) -> EndedRun:
    """A run whose log holds just these."""
    records = [ev.Record(seq, seq, event) for seq, event in enumerate(events, 1)]
    state = {"complete": RunState.COMPLETED, "error": RunState.FAILED, "cancelled": RunState.CANCELLED}[events[-1].type]
    return EndedRun(RUN, LOCAL_OWNER, request, state, fold(records), None, 1000, 3000)


def test_a_new_chat_begins_with_its_run() -> None:
    chat, said, answer = StoredChat().documents_begun(Run(RUN, LOCAL_OWNER, ASKED, 1000))
    assert (chat.collection, chat.key, chat.run) == (CHATS, "chat_" + "0a" * 16, None)
    assert "Two" not in str(chat.body)
    assert (said.body["role"], said.body["content"], said.body["state"]) == ("user", "Two", "complete")
    assert (answer.body["role"], answer.body["content"], answer.body["state"]) == ("assistant", "", "running")
    for message in (said, answer):
        assert (message.collection, message.words, message.run) == (MESSAGES, {CHAT: chat.key}, RUN)


async def test_one_that_goes_on_is_its_owners() -> None:
    storage = MemoryStorage()
    await storage.open()
    own, others = Own(storage.documents, LOCAL_OWNER), Own(storage.documents, Owner("local", "bob"))
    await StoredChat().check_kept(ASKED, own)
    await storage.documents.put(LOCAL_OWNER, [Document(CHATS, CHAT_ID, {})])
    await StoredChat().check_kept(GOES_ON, own)
    with pytest.raises(NotFoundError) as refused:
        await StoredChat().check_kept(GOES_ON, others)
    assert refused.value.extra == {"pointer": "/metadata/chat"}


def test_one_that_goes_on_is_not_begun_again() -> None:
    documents = StoredChat().documents_begun(Run(RUN, LOCAL_OWNER, GOES_ON, 1000))
    assert [(each.collection, each.words) for each in documents] == [(MESSAGES, {CHAT: CHAT_ID})] * 2
    assert chat_of(RUN, GOES_ON) == CHAT_ID


@pytest.mark.parametrize(
    ("events", "content", "state", "code"),
    [
        ([ev.Chunk("Hi", 0), ev.Complete("stop", Usage())], "Hi", "complete", None),
        ([ev.Refusal("No", 0), ev.Complete("refusal", Usage())], "No", "complete", None),
        ([ev.Chunk("H", 0), FAILED], "H", "partial", "SERVER"),
        ([ev.Chunk("H", 0), ev.Cancelled("disconnect", 1)], "H", "partial", "CANCELLED"),
        ([FAILED], "", "failed", "SERVER"),
        ([ev.Cancelled("user", 0)], "", "failed", "CANCELLED"),
    ],
)
def test_the_answer_is_kept_as_it_ended(events: list[ev.Event], content: str, state: str, code: str | None) -> None:
    (answer,) = StoredChat().documents(ended(*events))
    assert (answer.key, answer.run, answer.words) == (message_id(RUN), RUN, {CHAT: "chat_" + "0a" * 16})
    body: dict[str, Any] = answer.body
    assert (body["content"], body["state"], body["created_at_ms"]) == (content, state, 3000)
    assert (body["error"] and body["error"]["code"]) == code


def test_of_an_answer_that_is_too_long_to_be_kept_its_beginning_is() -> None:
    piece = "\x01" * (KEPT_CHARS_MAX // 2)
    (answer,) = sealed(StoredChat().documents(ended(*[ev.Chunk(piece, 0)] * 3, ev.Complete("stop", Usage()))))
    kept = msgspec.json.decode(answer.body)
    assert (kept["content"] == 2 * piece, kept["state"]) == (True, "complete")


def test_a_message_that_is_too_long_to_be_kept_is_refused() -> None:
    def saying(text: str) -> RunRequest:
        return msgspec.structs.replace(ASKED, messages=[Message("user", text)])

    longest = saying("\x01" * KEPT_CHARS_MAX)
    StoredChat().check(longest)
    assert sealed(StoredChat().documents_begun(Run(RUN, LOCAL_OWNER, longest, 1000)))
    with pytest.raises(TooLargeError):
        StoredChat().check(saying("x" * (KEPT_CHARS_MAX + 1)))


def test_what_is_no_chat_is_refused() -> None:
    StoredChat().check(ASKED)
    StoredChat().check(GOES_ON)
    changes: list[dict[str, Any]] = [
        {"messages": []},
        {"messages": [Message("assistant", "1")]},
        {"messages": [Message("user", [TextPart("1")])]},
        {"metadata": {CHAT: "mine"}},
    ]
    for change in changes:
        with pytest.raises(BadRequestError):
            StoredChat().check(msgspec.structs.replace(ASKED, **change))
