"""What is kept of runs follows their final record: nobody who has read that may see it lag behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable, Mapping
from typing import Final

from headwater.api.route import Call
from headwater.domain.document import Document
from headwater.domain.run import Owner, Run
from headwater.errors import LogMissing, NotFoundError
from headwater.storage.contract import DocumentPage

#: How long is waited for what is stored of runs that have ended, of all together.
STORED_WITHIN_S: Final = 2.0
_FORGOTTEN_AT_ONCE: Final = 200


async def settled(call: Call, runs: Iterable[str]) -> bool:
    """Waits until the end is stored of those runs that have their final record; False if none of them has."""
    over = [run for run in runs if await _is_over(call, run)]
    # A full disk may keep them longer than anybody waits.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STORED_WITHIN_S):
            for run in over:
                await call.services.supervisor.over(run)
    return bool(over)


async def _is_over(call: Call, run: str) -> bool:
    try:
        return (await call.services.storage.log.state(run)).closed
    except LogMissing:
        return False


async def settled_page(
    call: Call, owner: Owner, collection: str, where: Mapping[str, str], *, limit: int, cursor: str | None = None
) -> DocumentPage:
    """A page of documents that say how their run stands."""
    documents = call.services.storage.documents
    page = await documents.list(owner, collection, where=where, limit=limit, cursor=cursor)
    running = {each.run for each in page.documents if each.run is not None and each.body["state"] == "running"}
    if not await settled(call, running):
        return page
    return await documents.list(owner, collection, where=where, limit=limit, cursor=cursor)


async def forget(call: Call, owner: Owner, head: Document, collection: str, where: Mapping[str, str]) -> None:
    """Deletes what begins with `head`: these documents and their runs, whatever else is kept of those, and itself.

    The head goes after them: where that breaks off, they are found again. What was begun meanwhile goes after it.
    """
    await _forget_all(call, owner, collection, where)
    await call.services.storage.documents.delete(owner, head.collection, head.key)
    await _forget_all(call, owner, collection, where)


async def unless_forgotten(call: Call, run: Run, finding: Awaitable[Document]) -> None:
    """Deletes a run that came too late: what it goes on with was forgotten meanwhile. Raises `NotFoundError` then."""
    try:
        await finding
    except NotFoundError:
        with contextlib.suppress(NotFoundError):
            await call.services.supervisor.delete(run.id, run.owner)
        raise


async def _forget_all(call: Call, owner: Owner, collection: str, where: Mapping[str, str]) -> None:
    documents = call.services.storage.documents
    while (page := await documents.list(owner, collection, where=where, limit=_FORGOTTEN_AT_ONCE)).documents:
        for run in dict.fromkeys(each.run for each in page.documents if each.run is not None):
            with contextlib.suppress(NotFoundError):
                await call.services.supervisor.delete(run, owner)
        for each in page.documents:
            await documents.delete(owner, collection, each.key)
