"""What an application keeps of a run is there exactly once, wherever the server is killed around the run's end."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Final

import pytest

from headwater.domain.document import Document
from headwater.domain.run import LOCAL_OWNER
from headwater.storage.sqlite import SqliteStorage
from tests.crash.server_with_failpoints import FAILPOINT, HISTORY
from tests.kit.client import call
from tests.kit.product import Product
from tests.kit.site import beside, write_distribution

pytestmark = pytest.mark.slow

#: Keeps what it was asked from its beginning on, and what became of it from its end on.
KEEPER: Final = """
from headwater.domain.document import Document
from headwater.domain.event import Chunk
from headwater.workflows.contract import Workflow


class Keeper(Workflow):
    name = "keeper"
    input_schema = {"type": "object"}

    async def run(self, context):
        yield [Chunk("kept", 0)]

    def documents_begun(self, run):
        return [Document("asked", run.id, run.request.input, run=run.id)]

    def documents(self, ended):
        return [Document("ended", ended.run, [ended.state, ended.snapshot.text], {"state": ended.state}, ended.run)]
"""


async def documents(data: Path, collection: str) -> list[Document]:
    """What is on the disk while no server has it."""
    storage = SqliteStorage(data)
    await storage.open()
    try:
        return [*(await storage.documents.list(LOCAL_OWNER, collection)).documents]
    finally:
        await storage.close()


async def start(product: Product) -> str:
    body = {"workflow": "keeper", "model": "simulated", "input": {"n": product.starts}}
    answer = await call(product.port, "POST", "/api/v1/runs", body)
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


@pytest.fixture
def keeper(tmp_path: Path) -> Path:
    groups = {"headwater.workflows": {"keeper": "keeper:Keeper"}}
    return write_distribution(tmp_path / "site", "headwater-keeper", {"keeper": KEEPER}, groups)


@pytest.mark.parametrize("place", ["final-before-row", "committed"])
async def test_what_is_kept_is_there_once_after_a_crash(
    data_dir: Path, tmp_path: Path, keeper: Path, place: str
) -> None:
    environ = {**beside(keeper), HISTORY: str(tmp_path / "history"), FAILPOINT: f"{place}:1"}
    product = Product(data_dir, environ=environ, module="tests.crash.server_with_failpoints")
    async with product:
        run = await start(product)
        assert await asyncio.wait_for(product.process.wait(), 30) == -signal.SIGKILL
        assert [each.key for each in await documents(data_dir, "asked")] == [run]
        assert await documents(data_dir, "ended") == []
        # Killed once more, while the next start brings the row up to the log.
        product.environ[FAILPOINT] = "recovering:1"
        with pytest.raises(AssertionError, match="the server ended"):
            await product.start()
        assert await documents(data_dir, "ended") == []
        product.environ[FAILPOINT] = ""
        await product.start()
        later = await start(product)
        assert (await call(product.port, "GET", f"/api/v1/runs/{later}/events")).body
        assert await product.terminate() == 0
        ended = await documents(data_dir, "ended")
        assert [each.key for each in ended] == [later, run]
        assert ended[0].body == ["completed", "kept"]
        assert ended[1].words["state"] in ("completed", "failed")
        assert [each.key for each in await documents(data_dir, "asked")] == [later, run]
        await product.start()
        assert (await call(product.port, "DELETE", f"/api/v1/runs/{run}")).status == 204
        assert await product.terminate() == 0
        for collection in ("asked", "ended"):
            assert [each.key for each in await documents(data_dir, collection)] == [later]
