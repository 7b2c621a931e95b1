"""What every `RunStore` must pass; part of `headwater.testing.storage`."""

from __future__ import annotations

import asyncio

from headwater.domain.message import Usage
from headwater.domain.run import LOCAL_OWNER, Owner, Run, RunMetrics, RunRequest, RunState, new_run_id
from headwater.domain.snapshot import Snapshot
from headwater.errors import BadRequestError, ConflictError, StorageError
from headwater.storage.contract import IdempotencyKey, RunFilter, Storage
from headwater.testing.log_contract import refuses

SNAPSHOT = Snapshot(
    seq=3,
    text="answer",
    parts=[],
    reasoning="",
    refusal="",
    value=None,
    tool_calls=[],
    calls=[],
    state={},
    usage=Usage(input_tokens=3, output_tokens=5),
    finish_reason="stop",
    error=None,
)


def a_run(
    created_at_ms: int = 1000,
    *,
    owner: Owner = LOCAL_OWNER,
    model: str = "m",
    workflow: str = "chat",
    epoch: int = 0,
) -> Run:
    """A new run as an API would make it."""
    return Run(new_run_id(), owner, RunRequest(model=model, workflow=workflow), created_at_ms, epoch=epoch)


def a_key(key: str = "k", digest: bytes = b"digest", owner: Owner = LOCAL_OWNER) -> IdempotencyKey:
    """An idempotency key for the route that starts runs."""
    return IdempotencyKey(owner, "POST /runs", key, digest)


class RunContract:
    """Tests of `RunStore`; each gets an open, empty engine as `storage`."""

    async def reopen(self, storage: Storage) -> Storage:
        """Closes the engine and opens another one on the same medium."""
        raise NotImplementedError

    async def test_a_run_comes_back_as_it_was(self, storage: Storage) -> None:
        run = a_run()
        assert await storage.runs.create(run) == run
        assert await storage.runs.get(run.id) == run
        assert await storage.runs.get("none") is None
        storage = await self.reopen(storage)
        assert await storage.runs.get(run.id) == run
        await storage.close()

    async def test_a_run_goes_through_its_states(self, storage: Storage) -> None:
        runs, run = storage.runs, a_run()
        await runs.create(run)
        assert [await runs.claim(run.id), await runs.claim(run.id)] == [1, 2]
        await runs.start(run.id)
        with refuses(StorageError):
            await runs.start(run.id)
        assert [found.id for found in await runs.unfinished()] == [run.id]
        metrics = RunMetrics(queued_ms=1, duration_ms=20, chunks=4)
        await runs.finish(run.id, RunState.COMPLETED, SNAPSHOT, 2000, metrics)
        await runs.finish(run.id, RunState.COMPLETED, SNAPSHOT, 2000, metrics)
        await runs.finish(run.id, RunState.FAILED, SNAPSHOT, 3000, None)
        storage = await self.reopen(storage)
        found = await storage.runs.get(run.id)
        assert found is not None
        assert (found.state, found.ended_at_ms, found.epoch) == (RunState.COMPLETED, 2000, 2)
        assert (found.snapshot, found.metrics) == (SNAPSHOT, metrics)
        assert await storage.runs.unfinished() == []
        await storage.close()

    async def test_what_the_table_does_not_allow_is_refused(self, storage: Storage) -> None:
        runs, run = storage.runs, a_run()
        await runs.create(run)
        with refuses(StorageError):
            await runs.finish(run.id, RunState.RUNNING, SNAPSHOT, 1, None)
        with refuses(StorageError):
            await runs.start("none")
        with refuses(StorageError):
            await runs.claim("none")
        with refuses(StorageError):
            await runs.finish("none", RunState.FAILED, SNAPSHOT, 1, None)
        await runs.finish(run.id, RunState.CANCELLED, SNAPSHOT, 5, None)
        with refuses(StorageError):
            await runs.start(run.id)

    async def test_one_refusal_does_not_spoil_its_neighbours(self, storage: Storage) -> None:
        good, other = a_run(), a_run()
        results = await asyncio.gather(
            storage.runs.create(good),
            storage.runs.start("none"),
            storage.runs.create(other),
            storage.runs.claim("none"),
            storage.log.claim(good.id, 1),
            return_exceptions=True,
        )
        assert [isinstance(result, StorageError) for result in results] == [False, True, False, True, False]
        assert await storage.runs.get(good.id) == good
        assert await storage.runs.get(other.id) == other

    async def test_a_cancel_is_noted_once(self, storage: Storage) -> None:
        runs, run = storage.runs, a_run()
        assert await runs.request_cancel("none", "user") is None
        await runs.create(run)
        for by in ("user", "disconnect"):
            found = await runs.request_cancel(run.id, by)
            assert found is not None
            assert found.cancel_requested_by == "user"
        ended = a_run()
        await runs.create(ended)
        await runs.finish(ended.id, RunState.FAILED, SNAPSHOT, 5, None)
        found = await runs.request_cancel(ended.id, "user")
        assert found is not None
        assert (found.state, found.cancel_requested_by) == (RunState.FAILED, None)

    async def test_one_key_makes_one_run(self, storage: Storage) -> None:
        results = await asyncio.gather(*(storage.runs.create(a_run(), a_key()) for _ in range(50)))
        assert len({run.id for run in results}) == 1
        page = await storage.runs.select(RunFilter(LOCAL_OWNER))
        assert [run.id for run in page.runs] == [results[0].id]
        assert await storage.runs.find(a_key()) == results[0]
        assert await storage.runs.find(a_key("another")) is None
        with refuses(ConflictError):
            await storage.runs.create(a_run(), a_key(digest=b"another body"))
        with refuses(ConflictError):
            await storage.runs.find(a_key(digest=b"another body"))
        stranger = Owner("other", "other")
        foreign = await storage.runs.create(a_run(owner=stranger), a_key(owner=stranger))
        assert foreign.id != results[0].id
        storage = await self.reopen(storage)
        assert (await storage.runs.create(a_run(), a_key())).id == results[0].id
        await storage.close()

    async def test_a_deleted_run_leaves_a_tombstone(self, storage: Storage) -> None:
        run = await storage.runs.create(a_run(), a_key())
        await storage.runs.finish(run.id, RunState.COMPLETED, SNAPSHOT, 5, None)
        await storage.runs.delete(run.id)
        await storage.runs.delete(run.id)
        assert await storage.runs.get(run.id) is None
        assert (await storage.runs.select(RunFilter(LOCAL_OWNER))).runs == []
        with refuses(ConflictError):
            await storage.runs.create(a_run(), a_key())
        with refuses(ConflictError):
            await storage.runs.find(a_key())

    async def test_runs_are_listed_newest_first_and_filtered(self, storage: Storage) -> None:
        runs = storage.runs
        stranger = await runs.create(a_run(5, owner=Owner("other", "other")))
        made = [await runs.create(a_run(ms, model=model)) for ms, model in ((1, "a"), (2, "b"), (2, "a"), (3, "a"))]
        await runs.finish(made[0].id, RunState.FAILED, SNAPSHOT, 5, None)
        newest_first = sorted(made, key=lambda run: (run.created_at_ms, run.id), reverse=True)

        async def ids(where: RunFilter) -> list[str]:
            return [run.id for run in (await runs.select(where)).runs]

        mine = RunFilter(LOCAL_OWNER)
        assert await ids(mine) == [run.id for run in newest_first]
        assert await ids(RunFilter(stranger.owner)) == [stranger.id]
        assert await ids(mine._replace(states=(RunState.FAILED,))) == [made[0].id]
        assert await ids(mine._replace(states=())) == []
        assert await ids(mine._replace(model="b")) == [made[1].id]
        assert await ids(mine._replace(workflow="none")) == []
        assert await ids(mine._replace(created_from_ms=3)) == [made[3].id]
        assert await ids(mine._replace(created_before_ms=2)) == [made[0].id]

    async def test_pages_do_not_shift(self, storage: Storage) -> None:
        runs = storage.runs
        made = [await runs.create(a_run(ms // 2)) for ms in range(11)]
        expected = [run.id for run in sorted(made, key=lambda run: (run.created_at_ms, run.id), reverse=True)]
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await runs.select(RunFilter(LOCAL_OWNER), cursor=cursor, limit=3)
            found += [run.id for run in page.runs]
            cursor = page.cursor
            if cursor is None:
                break
            await runs.create(a_run(1000 + len(found)))
        assert found == expected
        assert (await runs.select(RunFilter(Owner("x", "x")))).cursor is None

    async def test_a_cursor_that_is_none_is_refused(self, storage: Storage) -> None:
        for cursor in ("", "x", "!!!", "é", "a" * 10_000, "MTIz", "LjEyMw"):
            with refuses(BadRequestError):
                await storage.runs.select(RunFilter(LOCAL_OWNER), cursor=cursor)

    async def test_unfinished_runs_come_oldest_first(self, storage: Storage) -> None:
        made = [await storage.runs.create(a_run(ms)) for ms in (3, 1, 2)]
        assert [run.id for run in await storage.runs.unfinished()] == [made[1].id, made[2].id, made[0].id]

    async def test_a_cancelled_caller_does_not_take_the_change_back(self, storage: Storage) -> None:
        run = a_run()
        creating = asyncio.ensure_future(storage.runs.create(run))
        await asyncio.sleep(0)
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)
        await storage.runs.create(a_run())
        assert await storage.runs.get(run.id) == run
