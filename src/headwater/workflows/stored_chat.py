"""A chat that is kept: what the user said, with its run; what was answered, with the run's end.

The request holds all that the model is asked, earlier messages included; who starts the run has looked them up. Which
chat it is says the request's metadata; without that a new chat begins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from headwater.domain.document import Document
from headwater.domain.run import Run, RunRequest, RunState
from headwater.errors import BadRequestError, NotFoundError, TooLargeError
from headwater.storage.contract import OwnDocuments
from headwater.workflows.chat import Chat
from headwater.workflows.contract import EndedRun

CHATS: Final = "chats"
MESSAGES: Final = "messages"
#: Where a run's metadata says which chat it goes on with; the same name among a message's words.
CHAT: Final = "chat"
CHAT_ID: Final = re.compile(r"chat_[0-9a-f]{32}")
#: One sentence for an unknown chat and for another owner's: they must look the same.
NO_SUCH_CHAT: Final = "There is no such chat."
#: Of a message that is kept: a character is at most six bytes as JSON, and so each fits a document with all the rest.
KEPT_CHARS_MAX: Final = 500_000


class StoredChat(Chat):
    name = "stored_chat"
    title = "Stored chat"
    description = "A chat whose messages are kept: the last message in, its answer out, both stored with the run."

    def check(self, request: RunRequest) -> None:
        super().check(request)
        said = request.messages[-1]
        if said.role != "user" or not isinstance(said.content, str):
            raise BadRequestError("The last message is what the user says, as text.", pointer="/messages")
        if len(said.content) > KEPT_CHARS_MAX:
            raise TooLargeError(f"A message has at most {KEPT_CHARS_MAX} characters.", pointer="/messages")
        chat = request.metadata.get(CHAT)
        if chat is not None and CHAT_ID.fullmatch(chat) is None:
            raise BadRequestError("This is no chat's id.", pointer=f"/metadata/{CHAT}")

    async def check_kept(self, request: RunRequest, kept: OwnDocuments) -> None:
        chat = request.metadata.get(CHAT)
        if chat is not None and await kept.get(CHATS, chat) is None:
            error = NotFoundError(NO_SUCH_CHAT)
            error.extra["pointer"] = f"/metadata/{CHAT}"
            raise error

    def documents_begun(self, run: Run) -> Sequence[Document]:
        chat, words = chat_of(run.id, run.request), _words(run.id, run.request)
        message = message_id(run.id)
        said = {
            "message_id": f"{message}-user",
            "role": "user",
            "content": run.request.messages[-1].content,
            "state": "complete",
            "created_at_ms": run.created_at_ms,
        }
        answer = {
            "message_id": message,
            "role": "assistant",
            "content": "",
            "state": "running",
            "created_at_ms": run.created_at_ms,
        }
        # No text in it: what was said goes with its run, so that a run that is deleted leaves none behind.
        begun = Document(CHATS, chat, {"chat_id": chat, "first": run.id, "created_at_ms": run.created_at_ms})
        return [
            *([] if CHAT in run.request.metadata else [begun]),
            Document(MESSAGES, f"{message}-user", said, words, run.id),
            Document(MESSAGES, message, answer, words, run.id),
        ]

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        content = answer_text(ended)
        answer: dict[str, Any] = {
            "message_id": message_id(ended.run),
            "role": "assistant",
            "content": content,
            "state": answer_state(ended.state, content),
            "error": answer_error(ended),
            "created_at_ms": ended.ended_at_ms,
        }
        return [Document(MESSAGES, message_id(ended.run), answer, _words(ended.run, ended.request), ended.run)]


def chat_of(run: str, request: RunRequest) -> str:
    """The chat that a run belongs to: the one that it goes on with, or its own."""
    return request.metadata.get(CHAT) or f"chat_{run.removeprefix('run_')}"


def message_id(run: str) -> str:
    """The id of a run's answer."""
    return f"msg_{run.removeprefix('run_')}"


def answer_text(ended: EndedRun) -> str:
    """What is kept of what was said; all of it is in the run's log."""
    return (ended.snapshot.text or ended.snapshot.refusal)[:KEPT_CHARS_MAX]


def answer_state(state: RunState, content: str) -> str:
    """`complete`; else `partial` or `failed`, by whether anything was said."""
    if state is RunState.COMPLETED:
        return "complete"
    return "partial" if content else "failed"


def answer_error(ended: EndedRun) -> dict[str, str] | None:
    """Why an answer is not whole."""
    if ended.state is RunState.COMPLETED:
        return None
    if (error := ended.error) is not None:
        return {"code": error.code, "message": error.message}
    return {"code": "CANCELLED", "message": "The answer was stopped."}


def _words(run: str, request: RunRequest) -> dict[str, str]:
    return {CHAT: chat_of(run, request)}
