"""The kit for workflows lets those pass that keep its laws, and names the law that another breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

import pytest

from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.message import GenerationRequest, Message, Usage
from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError, ErrorCode, ProviderError
from headwater.testing import check_workflow
from headwater.workflows.chat import Chat
from headwater.workflows.contract import EndedRun, RunContext, Workflow
from headwater.workflows.taking_up import withdrawn

HELLO = [Message("user", "Hello")]


class Steps(Workflow):
    """Two calls, one of them internal, the other's words its result; goes on where it was cut."""

    name = "steps"
    takes_up = True
    input_schema: ClassVar = {"type": "object", "required": ["of"]}

    async def ask(self, context: RunContext, text: str, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        async for events in context.generate(GenerationRequest("model", [Message("user", text)]), role=role):
            yield events

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        done = [place for place, event in enumerate(context.before, 1) if isinstance(event, ev.Iteration)]
        yield withdrawn(context.before, done[0] if done else 0)
        if not done:
            async for events in self.ask(context, "first", "internal"):
                yield events
            yield [ev.Iteration(1)]
        words: list[str] = []
        async for events in self.ask(context, "second"):
            words += [event.content for event in events if isinstance(event, ev.Chunk)]
            yield events
        context.set_result({"words": "".join(words)})

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        return [Document("steps", ended.run, [ended.state.value, ended.snapshot.text])]


async def test_what_keeps_the_laws_passes_and_is_shown() -> None:
    played = await check_workflow(Steps(), input={"of": 1}, answers=("inner", "A longer answer."))
    assert (played.snapshot.text, played.result) == ("A longer answer.", {"words": "A longer answer."})
    assert played.documents == [Document("steps", "run_" + "0" * 32, ["completed", "A longer answer."])]
    assert [request.messages[0].content for request in played.requests] == ["first", "second"]
    calls = [event for event in played.events if isinstance(event, ev.Call)]
    assert [(call.call, call.role) for call in calls] == [(2, "internal"), (1, "answer")]
    assert (await check_workflow(Chat(), messages=HELLO)).snapshot.text == "An answer."


async def test_answers_may_depend_on_what_is_asked() -> None:
    def answer(request: GenerationRequest) -> str:
        return f"to {request.messages[0].content}"

    assert (await check_workflow(Steps(), input={"of": 1}, answers=answer)).snapshot.text == "to second"


async def test_what_was_kept_before_can_be_read() -> None:
    class Reads(Steps):
        async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
            first = await context.documents.get("notes", "a")
            listed = await context.documents.list("notes", where={"w": "1"}, limit=1)
            assert listed.next_cursor is not None
            rest = await context.documents.list("notes", where={"w": "1"}, cursor=listed.next_cursor)
            assert first is not None
            yield withdrawn(context.before)
            yield [ev.Chunk(first.body, 0), *(ev.Chunk(each.key, 0) for each in (*listed.documents, *rest.documents))]

    kept = [Document("notes", key, key.upper(), {"w": "1"}) for key in "ab"] + [Document("notes", "c", "C")]
    assert (await check_workflow(Reads(), input={"of": 1}, kept=kept)).snapshot.text == "Aba"


class Refuses(Steps):
    def check(self, request: RunRequest) -> None:
        raise BadRequestError("No.")


def saying(*lists: Any) -> type[Workflow]:
    class Says(Steps):
        async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
            for events in lists:
                yield events

    return Says


class Impatient(Steps):
    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        async for events in self.ask(context, "first"):
            yield events
            if any(isinstance(event, ev.Chunk) for event in events):
                return


class GivesUp(Steps):
    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        yield []
        raise ProviderError(ErrorCode.SERVER)


class Counts(Steps):
    takes_up = False

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        pieces = 0
        async for events in self.ask(context, "first"):
            pieces += sum(isinstance(event, ev.Chunk) for event in events)
            yield events
        context.set_result(pieces)


class HoldsOn(Steps):
    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        is_whole = False
        try:
            async for events in self.ask(context, "first"):
                yield events
            is_whole = True
        finally:
            if not is_whole:
                await asyncio.Event().wait()


class Fragile(Steps):
    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        try:
            async for events in self.ask(context, "first"):
                yield events
        except ProviderError:
            raise KeyError("fragile") from None


class Whimsical(Steps):
    def __init__(self) -> None:
        self.asked = 0

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        self.asked += 1
        return [Document("steps", ended.run, self.asked)]


class KeepsNonsense(Steps):
    def documents(self, ended: EndedRun) -> Sequence[Document]:
        return [Document("", "", ended.snapshot.error)] if ended.error else []


class Forgetful(Steps):
    """Begins anew, and takes back nothing."""

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        async for events in self.ask(context, "first"):
            yield events


@pytest.mark.parametrize(
    ("make", "wrong", "words"),
    [
        (Refuses, BadRequestError, "No."),
        (saying("text"), AssertionError, "law 2: a `str`"),
        (saying([None]), AssertionError, "law 2: None is no event"),
        (saying([ev.Complete("stop", Usage())]), AssertionError, "law 2: .*not for a workflow"),
        (saying([ev.SnapshotEvent({})]), AssertionError, "law 2: .*not for a workflow"),
        (saying([ev.Log("info", "x" * 300_000)]), AssertionError, "law 2: a log has"),
        (saying([ev.Reasoning("a", "b")]), AssertionError, "law 2: .* is no event"),  # type: ignore[arg-type]
        (Impatient, AssertionError, "law 2: .*not read to its end"),
        (GivesUp, AssertionError, "law 2: SERVER"),
        (Counts, AssertionError, "law 3"),
        (HoldsOn, AssertionError, "law 4"),
        (Fragile, KeyError, "fragile"),
        (Whimsical, AssertionError, "law 6"),
        (KeepsNonsense, BadRequestError, "names"),
        (Forgetful, AssertionError, "law 7: cut after"),
    ],
)
async def test_what_breaks_a_law_is_told(
    make: Callable[[], Workflow], wrong: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headwater.testing.workflow.CLOSE_S", 0.01)
    with pytest.raises(wrong, match=words):
        await check_workflow(make(), input={"of": 1}, answers=lambda request: "A longer answer.")


async def test_input_is_held_to_the_schema() -> None:
    with pytest.raises(AssertionError, match="law 1: the `input_schema` refuses"):
        await check_workflow(Steps(), input={})
    with pytest.raises(AssertionError, match=r"law 1: .*takes `messages`"):
        await check_workflow(Chat(), input={}, messages=HELLO)


async def test_too_few_answers_are_told() -> None:
    with pytest.raises(AssertionError, match="there are 1 answers"):
        await check_workflow(Steps(), input={"of": 1})
