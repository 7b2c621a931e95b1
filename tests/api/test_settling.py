"""Whoever has read a run's end finds stored what is kept of it, however late that is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater.api import settling
from headwater.domain.run import Owner
from headwater.storage.contract import RunFilter
from headwater.workflows.stored_chat import CHATS, MESSAGES
from tests.api.analyzing import say_all
from tests.api.composed import RunningApi
from tests.api.talking import ANN, refused, said, says
from tests.api.test_analyses import INPUT, listed
from tests.api.test_chats import shown


def stores_late(api: RunningApi) -> asyncio.Event:
    """From now on no run's end is stored before the event is set, as on a disk that is slow or full."""
    finish, gate = api.storage.runs.finish, asyncio.Event()

    async def late(*args: Any, **more: Any) -> None:
        await gate.wait()
        await finish(*args, **more)

    api.storage.runs.finish = late  # type: ignore[method-assign]  # the disk is played
    return gate


async def test_who_has_read_the_end_finds_it_stored_however_late_that_is(api: RunningApi) -> None:
    over, gate = api.services.supervisor.over, stores_late(api)
    waiting: list[str] = []

    async def waited_for(run: str) -> None:
        waiting.append(run)
        if len(waiting) == 2:
            gate.set()
        await over(run)

    api.services.supervisor.over = waited_for  # type: ignore[method-assign]  # tells of those who look for the end
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
    gate = stores_late(api)
    waiting: list[str] = []

    async def never_over(run: str) -> None:
        waiting.append(run)
        await gate.wait()

    monkeypatch.setattr(settling, "STORED_WITHIN_S", 0.01)
    api.services.supervisor.over = never_over  # type: ignore[method-assign]  # the disk stays full
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
    over, gate = api.services.supervisor.over, stores_late(api)

    async def waited_for(run: str) -> None:
        gate.set()
        await over(run)

    api.services.supervisor.over = waited_for  # type: ignore[method-assign]  # tells of who looks
    await say_all(api)
    run = await api.start(**INPUT)
    await api.ended(run)
    assert [each["run"] for each in await listed(api)] == [run]


async def left_of(api: RunningApi) -> list[str]:
    """The runs and the messages that Ann still has."""
    ann = Owner("acme", "ann")
    runs = (await api.storage.runs.select(RunFilter(ann))).runs
    return [run.id for run in runs] + [each.key for each in (await api.storage.documents.list(ann, MESSAGES)).documents]


async def test_what_begins_while_all_is_forgotten_is_forgotten_too(api: RunningApi) -> None:
    delete, began = api.storage.documents.delete, asyncio.Event()
    api.prompter.script = says("One.")
    chat = (await said(api, "First")).json()["chat_id"]

    async def late(owner: Owner, collection: str, key: str) -> bool:
        if collection == CHATS:
            assert (await said(api, "Second", chat_id=chat)).status_code == 200
            began.set()
        return await delete(owner, collection, key)

    api.storage.documents.delete = late  # type: ignore[method-assign]  # somebody speaks in between
    assert (await api.client.delete(f"/chat/chats/{chat}", headers=ANN)).status_code == 204
    assert began.is_set()
    assert await left_of(api) == []


async def test_what_begins_when_all_is_forgotten_is_refused(api: RunningApi) -> None:
    submit = api.services.supervisor.submit
    api.prompter.script = says("One.")
    chat = (await said(api, "First")).json()["chat_id"]

    async def late(*args: Any, **more: Any) -> Any:
        assert (await api.client.delete(f"/chat/chats/{chat}", headers=ANN)).status_code == 204
        return await submit(*args, **more)

    api.services.supervisor.submit = late  # type: ignore[method-assign]  # the chat was there a moment ago
    assert refused(await said(api, "Second", chat_id=chat))[0] == 404
    assert await left_of(api) == []
