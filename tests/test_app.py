"""The composition root: a whole server in this process or in one of its own, begun and ended as users do."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from genai_prices import wait_prices_updated_async
from genai_prices.data_snapshot import set_custom_snapshot

from headwater import app as subject
from headwater.app import EXIT_STORAGE, App
from headwater.domain.run import LOCAL_OWNER, Run, RunRequest, RunState, new_run_id
from headwater.errors import ConfigError, StorageFailed
from headwater.providers.cost import Price
from headwater.settings import Settings, load_settings
from headwater.storage.memory import MemoryStorage
from headwater.storage.memory_medium import MemoryMedium
from headwater.workflows.contract import Workflow
from tests.kit.client import Reader, call, start_run
from tests.kit.history import History
from tests.kit.product import Product
from tests.kit.resources import Resources
from tests.kit.run_log import until
from tests.kit.upstream import ScriptedUpstream, Send, Status

LONG = {"extra": {"simulated": {"words": 100_000, "delay_ms": 5}}}


def settings_for(data: Path, **server: object) -> Settings:
    return load_settings(None, {"data": data, "server": {"port": 0, **server}})


@asynccontextmanager
async def serving(settings: Settings, **more: object) -> AsyncIterator[App]:
    app = App(settings, environ={}, **more)  # type: ignore[arg-type]  # keywords of App's own
    await app.start()
    try:
        yield app
    finally:
        await app.stop(2.0)


def port_of(app: App) -> int:
    return int(app.url.rsplit(":", 1)[1])


@pytest.mark.parametrize("section", ["chat", "conversation"])
def test_a_model_that_is_to_answer_has_to_be_there(data_dir: Path, section: str) -> None:
    App(load_settings(None, {"data": data_dir, section: {"models": ["simulated"]}}), environ={})
    with pytest.raises(ConfigError, match=f"{section}.models: there is no model `nobody`; there are: simulated"):
        App(load_settings(None, {"data": data_dir, section: {"models": ["simulated", "nobody"]}}), environ={})


async def test_it_is_ready_when_started_and_not_before(data_dir: Path) -> None:
    app = App(settings_for(data_dir), environ={})
    assert str(app.why_not_ready()) == "The server is starting."
    await app.start()
    assert app.why_not_ready() is None
    assert (await call(port_of(app), "GET", "/readyz")).status == 200
    await app.stop(1.0)
    assert str(app.why_not_ready()) == "The server is shutting down."


async def test_it_gives_back_all_that_it_took(data_dir: Path) -> None:
    resources = Resources()
    before = resources.snapshot()
    async with serving(settings_for(data_dir)) as app:
        run = (await start_run(port_of(app))).json()["id"]
        await Reader(run, History()).read_on(port_of(app))
    assert resources.snapshot() == before


async def test_its_thread_for_keys_ends_with_it(data_dir: Path) -> None:
    def threads() -> int:
        return sum(thread.name.startswith("headwater-keys") for thread in threading.enumerate())

    before = threads()
    async with serving(settings_for(data_dir)):
        assert threads() == before + 1
    async with asyncio.timeout(20):
        await until(lambda: threads() == before)


class Holds(Workflow):
    """Holds something until it is closed, which it may not manage."""

    name = "holds"

    def __init__(self, how: str) -> None:
        self.how = how
        self.closed = False

    async def close(self) -> None:
        if self.how == "fails":
            raise RuntimeError("no")
        if self.how == "hangs":
            await asyncio.Event().wait()
        self.closed = True


async def test_whatever_workflows_hold_is_let_go_of(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "WORKFLOW_CLOSE_S", 0.05)
    held = {how: Holds(how) for how in ("fails", "hangs", "closes")}
    async with serving(settings_for(data_dir)) as app:
        app.parts = app.parts._replace(workflows=held)
    assert [how for how, workflow in held.items() if workflow.closed] == ["closes"]
    # the storage below it is closed all the same: the next server has it
    async with serving(settings_for(data_dir)):
        pass


@pytest.mark.parametrize("full", [True, False])
async def test_a_disk_without_space_takes_no_runs(data_dir: Path, full: bool) -> None:
    storage = MemoryStorage(MemoryMedium())
    storage.full = full
    async with serving(settings_for(data_dir), make=lambda _settings, _observer: storage) as app:
        assert (await start_run(port_of(app))).status == (507 if full else 201)


@pytest.mark.parametrize(
    ("port", "row", "is_itself"),
    [
        (8000, {"provider": "vllm"}, True),
        (8001, {"provider": "vllm"}, False),
        (8000, {"provider": "vllm", "base_url": "http://127.0.0.1:8001/v1", "allow_private": True}, False),
        (8001, {"provider": "openai", "base_url": "http://localhost:8001/v1", "allow_private": True}, True),
        (8001, {"provider": "openai", "base_url": "http://[::1]:8001/v1", "allow_private": True}, True),
        (80, {"provider": "openai", "base_url": "http://127.0.0.2/v1", "allow_private": True}, True),
        (443, {"provider": "openai", "base_url": "https://example.org/v1"}, False),
    ],
)
def test_a_model_that_is_this_server_itself_is_refused(
    data_dir: Path, port: int, row: dict[str, Any], is_itself: bool
) -> None:
    settings = settings_for(data_dir, port=port)
    settings = Settings.model_validate({**settings.model_dump(), "models": [{"name": "m", **row}]})
    if is_itself:
        with pytest.raises(ConfigError, match="this server's own address"):
            App(settings, environ={})
    else:
        App(settings, environ={})


async def test_prices_are_there_from_the_start_and_can_be_fetched_anew(data_dir: Path) -> None:
    rows = [
        {"name": "listed", "provider": "openai", "model": "gpt-4o-mini"},
        {"name": "own", "provider": "openai", "price": {"input": 1, "output": 2.5}},
    ]
    # a list of one provider, which has neither
    listed = Send(b'[{"id": "acme", "name": "Acme", "api_pattern": "https://acme", "models": []}]')
    async with ScriptedUpstream([Status(200, {"Content-Type": "application/json"}), listed]) as upstream:
        settings = settings_for(data_dir)
        prices = {"refresh_h": 1, "list_url": f"{upstream.origin}/prices.json"}
        settings = Settings.model_validate({**settings.model_dump(), "models": rows, "prices": prices})
        async with serving(settings) as app:
            pricing = app.parts.catalog.pricing
            assert pricing("own").price() == Price(1.0, 2.5)
            assert await wait_prices_updated_async(10)
            assert upstream.requests[0].path == "/prices.json"
            assert pricing("listed").price() is None
    set_custom_snapshot(None)
    assert pricing("listed").price() is not None


async def test_a_second_server_on_the_same_data_is_refused(data_dir: Path) -> None:
    async with serving(settings_for(data_dir)):
        with pytest.raises(ConfigError, match=re.escape(str(data_dir))):
            await App(settings_for(data_dir), environ={}).start()


async def test_a_port_that_is_taken_lets_go_of_the_data(data_dir: Path, tmp_path: Path) -> None:
    async with serving(settings_for(data_dir)) as app:
        other = tmp_path / "other"
        with pytest.raises(ConfigError):
            await App(settings_for(other, port=port_of(app)), environ={}).start()
        async with serving(settings_for(other)) as free:
            assert free.why_not_ready() is None


async def test_what_a_crash_left_is_ended_before_anyone_can_ask() -> None:
    medium = MemoryMedium()
    run = Run(new_run_id(), LOCAL_OWNER, RunRequest("simulated"), 1, RunState.RUNNING, epoch=1)
    medium.runs[run.id] = run
    app = App(settings_for(Path("unused")), environ={}, make=lambda settings, observer: MemoryStorage(medium))
    await app.start()
    stored = await app.parts.storage.runs.get(run.id)
    await app.stop(1.0)
    assert stored is not None
    assert stored.state is RunState.FAILED
    assert stored.snapshot is not None
    assert stored.snapshot.error is not None
    assert stored.snapshot.error.code == "INTERRUPTED"


async def test_a_storage_that_fails_ends_the_server(data_dir: Path) -> None:
    medium = MemoryMedium()
    storage = MemoryStorage(medium)
    async with serving(settings_for(data_dir), make=lambda settings, observer: storage) as app:
        storage.fail(StorageFailed("the disk is gone"))
        async with asyncio.timeout(10):
            await app.ending.wait()
        assert app.failed
        assert str(app.why_not_ready()) == "The storage has failed."
        refused = await call(port_of(app), "GET", "/readyz")
        assert (refused.status, refused.json()["code"]) == (503, "STORAGE")


async def test_a_missing_key_is_told_at_the_start(tmp_path: Path) -> None:
    model = {"name": "m", "provider": "openai", "api_key_env": "NOT_THERE"}
    async with Product(tmp_path / "data", config={"models": [model]}) as product:
        assert "NOT_THERE" in product.log_text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_runs_tells_readers_and_leaves(tmp_path: Path, number: signal.Signals) -> None:
    product = Product(tmp_path / "data")
    await product.start()
    run = (await start_run(product.port, settings=LONG)).json()["id"]
    reader = Reader(run, History())
    reading = asyncio.create_task(reader.read(product.port))
    await reader.begun.wait()
    product.process.send_signal(number)
    assert await product.process.wait() == 0
    assert await reading == "end"
    assert b'"code":"DRAINING"' in reader.payloads[-1]


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    product = Product(tmp_path / "data", config={"server": {"drain_s": 60}})
    await product.start()
    product.process.send_signal(signal.SIGSTOP)
    product.process.send_signal(signal.SIGTERM)
    product.process.send_signal(signal.SIGINT)
    product.process.send_signal(signal.SIGCONT)
    assert await product.process.wait() == 130


def test_the_exit_code_of_a_failed_storage_is_the_systems_own() -> None:
    assert EXIT_STORAGE == os.EX_IOERR
