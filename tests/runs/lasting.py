"""A provider whose answers go on when nobody listens, in virtual time: asked for again, it says again what it said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Checkpoint, Finish, Item
from tests.runs.scene import pause


class LastingProvider:
    """As `BackgroundProvider`. One event of `script` every `every_s`, a checkpoint after each `mark`-th."""

    name = "scripted"

    def __init__(self, script: Sequence[Item], *, every_s: float = 1.0, mark: int = 2) -> None:
        #: when each answer was asked for, by its id
        self.begun: dict[str, float] = {}
        #: the checkpoints that answers were asked for again by, and stopped by
        self.asked_again: list[Checkpoint] = []
        self.stopped: list[str] = []
        #: what the next requests for an answer that was begun meet
        self.failures: list[ProviderError] = []
        #: after which event a connection is lost, once, and how; None for one that says nothing any more
        self.cuts: dict[int, ProviderError | None] = {}
        self.forgotten = False
        self._script = [*script, Finish("stop", "stop")]
        self._every_s = every_s
        self._mark = mark

    def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        raise AssertionError("an answer that ends with its reader was asked for")

    def stream_in_background(
        self, request: GenerationRequest, *, connect_s: float | None
    ) -> AsyncGenerator[list[Item], None]:
        answer = f"resp_{len(self.begun) + 1}"
        self.begun[answer] = asyncio.get_running_loop().time()
        return self._tell(answer, 0)

    async def reattach(
        self, request: GenerationRequest, checkpoint: Checkpoint, *, connect_s: float | None
    ) -> AsyncGenerator[list[Item], None]:
        self.asked_again.append(checkpoint)
        if self.failures:
            raise self.failures.pop(0)
        if self.forgotten:
            raise ProviderError(ErrorCode.BAD_REQUEST, status_code=404)
        async for items in self._tell(checkpoint.response_id, checkpoint.sequence_number):
            yield items

    async def _tell(self, answer: str, after: int) -> AsyncGenerator[list[Item], None]:
        yield []
        for number, item in enumerate(self._script, 1):
            if number <= after:
                continue
            await pause(max(0.0, self.begun[answer] + number * self._every_s - asyncio.get_running_loop().time()))
            items = [item]
            if number % self._mark == 0 and not isinstance(item, Finish):
                items.append(ev.ProviderData(self.name, msgspec.to_builtins(Checkpoint(answer, number))))
            yield items
            if number in self.cuts:
                failure = self.cuts.pop(number)
                if failure is None:
                    await asyncio.Event().wait()
                else:
                    raise failure

    async def stop(self, checkpoint: Checkpoint) -> None:
        self.stopped.append(checkpoint.response_id)

    async def close(self) -> None: ...
