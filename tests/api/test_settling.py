"""Whoever has read a run's end finds stored what is kept of it, however late that is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater.api import settling
from tests.api.analyzing import say_all
from tests.api.composed import RunningApi
from tests.api.talking import said, says
from tests.api.test_analyses import INPUT, listed
from tests.api.test_chats import shown


async def test_who_has_read_the_end_finds_it_stored_however_late_that_is(api: RunningApi) -> None:
    finish, over, gate = api.storage.runs.finish, api.services.supervisor.over, asyncio.Event()
    waiting: list[str] = []

    async def late(*args: Any, **more: Any) -> None:
        await gate.wait()
        await finish(*args, **more)

    async def waited_for(run: str) -> None:
        waiting.append(run)
        if len(waiting) == 2:
            gate.set()
        await over(run)

    api.storage.runs.finish = late  # type: ignore[method-assign]  # a disk that is slow until two look for the end
    api.services.supervisor.over = waited_for  # type: ignore[method-assign]  # tells of them
    api.prompter.script = says("One.")
    chat = (await said(api, "First")).json()["chat_id"]
    going_on = asyncio.create_task(said(api, "Second", chat_id=chat))
    assert (await shown(api, chat))["messages"][1]["content"] == "One."
    await going_on
    assert [message.content for message in api.prompter.calls[-1].messages] == ["First", "One.", "Second"]
    assert len(waiting) == 2


async def test_all_that_is_late_on_a_page_is_waited_for_together(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, gate = api.storage.runs.finish, asyncio.Event()
    waiting: list[str] = []

    async def late(*args: Any, **more: Any) -> None:
        await gate.wait()
        await finish(*args, **more)

    async def never_over(run: str) -> None:
        waiting.append(run)
        await gate.wait()

    monkeypatch.setattr(settling, "STORED_WITHIN_S", 0.01)
    api.storage.runs.finish = late  # type: ignore[method-assign]  # a disk that is full
    api.services.supervisor.over = never_over  # type: ignore[method-assign]  # for as long
    api.prompter.script = says("One.")
    chat = (await said(api, "First")).json()["chat_id"]
    for _ in range(2):
        api.prompter.script = says("More.")
        await said(api, "More", chat_id=chat)
    waiting.clear()
    assert [each["state"] for each in (await shown(api, chat))["messages"]] == ["complete", "running"] * 3
    assert len(waiting) == 1
    gate.set()


async def test_who_has_read_the_end_finds_it_in_the_list_however_late_it_is_stored(api: RunningApi) -> None:
    finish, over, gate = api.storage.runs.finish, api.services.supervisor.over, asyncio.Event()

    async def late(*args: Any, **more: Any) -> None:
        await gate.wait()
        await finish(*args, **more)

    async def waited_for(run: str) -> None:
        gate.set()
        await over(run)

    api.storage.runs.finish = late  # type: ignore[method-assign]  # a disk that is slow until somebody looks
    api.services.supervisor.over = waited_for  # type: ignore[method-assign]  # tells of them
    await say_all(api)
    run = await api.start(**INPUT)
    await api.ended(run)
    assert [each["run"] for each in await listed(api)] == [run]
