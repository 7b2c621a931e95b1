"""What a workflow of another distribution may not put into its run's log."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.workflows.guarded import guarded


class Stream:
    """Yields these lists, and knows whether it was closed."""

    def __init__(self, *lists: Any) -> None:
        self.lists = lists
        self.is_closed = False

    async def run(self) -> AsyncGenerator[Any, None]:
        try:
            for each in self.lists:
                yield each
        finally:
            self.is_closed = True


async def test_what_is_sound_passes() -> None:
    lists: list[list[ev.Event]] = [
        [ev.Call(2, "answer", "p", "m"), ev.Chunk("a", 0, 2)],
        [],
        [ev.Iteration(1, {"score": 2}), ev.Log("info", "x"), ev.Field("/a", 1, True), ev.Context({}), ev.Status("s")],
        [ev.Unknown("mine", {"a": 1}), ev.Attempt(1, 2, "x", "p", "m", 1)],
    ]
    stream = Stream(*lists)
    assert [events async for events in guarded(stream.run())] == lists
    assert stream.is_closed


@pytest.mark.parametrize(
    "events",
    [
        "text",
        (ev.Chunk("a", 0),),
        [None],
        [{"type": "chunk"}],
        [ev.Complete("stop", Usage())],
        [ev.Cancelled("user", 0)],
        [ev.Error("SERVER", "x", False)],
        [ev.SnapshotEvent({})],
        [ev.Chunk(5, 0)],  # type: ignore[arg-type]  # as code without type checks may have it
        [ev.Chunk("a", 0.5)],  # type: ignore[arg-type]
        [ev.Reasoning("a", "b")],  # type: ignore[arg-type]
        [ev.Refusal("a", True)],
        [ev.Chunk("a", 0, "1")],  # type: ignore[arg-type]
    ],
)
async def test_what_is_not_a_workflow_s_to_say_ends_it(events: Any) -> None:
    stream = Stream([ev.Chunk("before", 0)], events)
    got: list[Any] = []
    with pytest.raises(TypeError):
        async for each in guarded(stream.run()):
            got.append(each)
    assert got == [[ev.Chunk("before", 0)]]
    assert stream.is_closed


async def test_who_asks_for_the_process_s_end_fails_alone() -> None:
    async def leaves() -> AsyncGenerator[list[ev.Event], None]:
        yield [ev.Chunk("a", 0)]
        raise SystemExit(3)

    reading = guarded(leaves())
    await anext(reading)
    with pytest.raises(RuntimeError):
        await anext(reading)


async def test_who_stops_reading_closes_the_stream() -> None:
    stream = Stream([ev.Chunk("a", 0)], [ev.Chunk("b", 0)])
    reading = guarded(stream.run())
    await anext(reading)
    await reading.aclose()
    assert stream.is_closed
