"""The plainest workflow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.domain.run import LOCAL_OWNER, RunRequest
from headwater.errors import BadRequestError
from headwater.workflows.chat import Chat
from headwater.workflows.contract import Workflow

ASKED = RunRequest("m", messages=[Message("user", "Hi")], settings=Settings(temperature=0.5))


class Context:
    """Answers one call and notes how it was asked."""

    run = "run_1"
    owner = LOCAL_OWNER

    def __init__(self) -> None:
        self.request = ASKED
        self.clock: Any = None
        self.before: Sequence[ev.Event] = ()
        self.documents: Any = None
        self.asked: list[tuple[GenerationRequest, ev.Role]] = []

    async def generate(self, request: GenerationRequest, *, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        self.asked.append((request, role))
        yield [ev.Chunk("a", 0)]
        yield [ev.Chunk("b", 0)]

    def set_result(self, value: object) -> None:
        raise AssertionError("a chat has no result but its text")


async def test_one_call_is_the_answer() -> None:
    workflow: Workflow = Chat()
    context = Context()
    assert workflow.name == "chat"
    assert [events async for events in workflow.run(context)] == [[ev.Chunk("a", 0)], [ev.Chunk("b", 0)]]
    assert context.asked == [(GenerationRequest("m", ASKED.messages, ASKED.settings), "answer")]


def test_a_chat_without_messages_is_refused() -> None:
    Chat().check(ASKED)
    with pytest.raises(BadRequestError) as refused:
        Chat().check(msgspec.structs.replace(ASKED, messages=[]))
    assert refused.value.extra == {"pointer": "/messages"}
