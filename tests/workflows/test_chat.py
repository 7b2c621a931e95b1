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

    def __init__(self, request: RunRequest = ASKED, *texts: str) -> None:
        self.request = request
        self.texts = texts or ("a", "b")
        self.result: Any = None
        self.clock: Any = None
        self.before: Sequence[ev.Event] = ()
        self.documents: Any = None
        self.asked: list[tuple[GenerationRequest, ev.Role]] = []

    def can(self, capability: str) -> bool:
        return True

    async def generate(self, request: GenerationRequest, *, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        self.asked.append((request, role))
        for text in self.texts:
            yield [ev.Chunk(text, 0)]

    def set_result(self, value: object) -> None:
        self.result = value


async def test_one_call_is_the_answer() -> None:
    workflow: Workflow = Chat()
    context = Context()
    assert workflow.name == "chat"
    assert [events async for events in workflow.run(context)] == [[ev.Chunk("a", 0)], [ev.Chunk("b", 0)]]
    assert context.asked == [(GenerationRequest("m", ASKED.messages, ASKED.settings), "answer")]
    assert context.result is None, "a chat has no result but its text"


@pytest.mark.parametrize("settings", [Settings(json_schema={"type": "object"}), Settings(json_object=True)])
async def test_a_structured_answer_is_told_by_its_fields_and_judged(settings: Settings) -> None:
    context = Context(msgspec.structs.replace(ASKED, settings=settings), '{"a": ', "1}")
    Chat().check(context.request)
    assert [events async for events in Chat().run(context)] == [
        [ev.Chunk('{"a": ', 0), ev.Field("", {}, False)],
        [ev.Chunk("1}", 0), ev.Field("/a", 1, True), ev.Field("", {}, True, delta=True)],
    ]
    assert context.asked == [(GenerationRequest("m", ASKED.messages, settings), "answer")]
    assert context.result == {"value": {"a": 1}, "is_valid": True, "repairs": [], "errors": []}


async def test_a_model_that_says_nothing_has_not_answered() -> None:
    context = Context(msgspec.structs.replace(ASKED, settings=Settings(json_object=True)), "\n")
    assert [events async for events in Chat().run(context)] == [[ev.Chunk("\n", 0)]]
    assert context.result is None, "it has called a tool, or refused"


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequestError) as refused:
        Chat().check(msgspec.structs.replace(ASKED, settings=Settings(json_schema={"type": "objct"})))
    assert refused.value.extra == {"pointer": "/settings/json_schema"}


def test_a_chat_without_messages_is_refused() -> None:
    Chat().check(ASKED)
    with pytest.raises(BadRequestError) as refused:
        Chat().check(msgspec.structs.replace(ASKED, messages=[]))
    assert refused.value.extra == {"pointer": "/messages"}
