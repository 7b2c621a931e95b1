"""A run that plays another: only one's own, only one that is over, and then the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from headwater.domain import event as ev
from headwater.domain.message import Settings, Usage
from headwater.domain.run import LOCAL_OWNER, Owner
from headwater.errors import BadRequestError, ErrorCode, RefusedError, StorageError, UnavailableError
from headwater.providers.replay import RunReplay
from headwater.storage.contract import LogState
from tests.runs.scene import Scene, request, silent, virtual, words


def replaying(run: Any, **more: Any) -> dict[str, Any]:
    return {"settings": Settings(extra={"replay": {"run": run, **more}})}


async def refusal(scene: Scene, run: Any, owner: Owner = LOCAL_OWNER) -> RefusedError:
    runs = len(scene.storage.medium.runs)
    with pytest.raises(RefusedError) as caught:
        await scene.supervisor.submit(request(**replaying(run)), owner)
    assert len(scene.storage.medium.runs) == runs
    return caught.value


def play_from(scene: Scene) -> None:
    """From here on every model is the replay of this scene's runs."""

    async def read(run: str, after: int) -> Sequence[bytes]:
        return (await scene.storage.log.read(run, after)).payloads

    scene.models.provider = RunReplay(read)


@virtual
async def test_a_run_is_played_as_it_was() -> None:
    async with Scene(words("Hello", " there", every_s=0.25, usage=Usage(4, output_tokens=2))) as scene:
        first = await scene.end_of(await scene.submit())
        play_from(scene)
        source = next(iter(scene.storage.medium.runs))
        again = await scene.end_of(await scene.submit(**replaying(source)))
    assert [(r.t, r.event) for r in first if isinstance(r.event, ev.Chunk)] == [
        (r.t, r.event) for r in again if isinstance(r.event, ev.Chunk)
    ]
    before, after = first[-1].event, again[-1].event
    assert isinstance(before, ev.Complete)
    assert isinstance(after, ev.Complete)
    assert after.final_response_sha256 == before.final_response_sha256
    assert after.usage == Usage(4, output_tokens=2, cost_usd=0.0)


@virtual
async def test_anothers_run_looks_like_one_that_never_was() -> None:
    async with Scene() as scene:
        run = await scene.submit()
        await scene.end_of(run)
        theirs = await refusal(scene, run.id, Owner("acme", "eve"))
        none = await refusal(scene, "run_" + "0" * 32)
        assert type(theirs) is type(none) is BadRequestError
        assert (theirs.message, theirs.extra) == (none.message, none.extra)
        assert theirs.extra["pointer"] == "/settings/extra/replay/run"


@virtual
async def test_it_is_asked_whatever_model_is_named() -> None:
    """The scene's own model would pass over the play; a model that is fallen back to might not."""
    async with Scene() as scene:
        assert isinstance(await refusal(scene, "run_x"), BadRequestError)
        await scene.end_of(await scene.submit(**replaying(7)))


@virtual
async def test_a_run_that_goes_on_is_refused() -> None:
    async with Scene(silent(["a"])) as scene:
        run = await scene.submit()
        assert "goes on" in (await refusal(scene, run.id)).message
        await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        await scene.end_of(run)


@virtual
async def test_a_run_without_its_beginning_is_refused() -> None:
    async with Scene() as scene:
        run = await scene.submit()
        await scene.end_of(run)
        await scene.storage.log.trim(run.id, 3)
        assert "trimmed" in (await refusal(scene, run.id)).message


@virtual
async def test_a_run_that_was_deleted_is_none() -> None:
    async with Scene() as scene:
        run = await scene.submit()
        await scene.end_of(run)
        await scene.storage.log.delete(run.id)
        assert "no such run" in (await refusal(scene, run.id)).message


@virtual
async def test_a_storage_that_can_not_be_read_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: str) -> LogState:
        raise StorageError("not now")

    async with Scene() as scene:
        run = await scene.submit()
        await scene.end_of(run)
        with monkeypatch.context() as patch:
            patch.setattr(scene.storage.log, "state", fail)
            error = await refusal(scene, run.id)
        assert isinstance(error, UnavailableError)
        assert error.code is ErrorCode.STORAGE
