"""The contract between a run and the work in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from headwater.clock import Clock
from headwater.domain.event import Event, Role
from headwater.domain.message import GenerationRequest
from headwater.domain.run import RunRequest


class RunContext(Protocol):
    """What a workflow is given."""

    request: RunRequest
    clock: Clock

    def generate(self, request: GenerationRequest, *, role: Role = "answer") -> AsyncIterator[list[Event]]:
        """One model call of this run: announces it, yields its events as they arrive, ends when it is whole.

        `request.model` is the name that callers use. Raises `ProviderError`. The run can complete only
        if every `answer` call was read to its end.
        """
        ...

    def set_result(self, value: object) -> None:
        """The application's result, which `complete` carries; JSON."""
        ...


class Workflow(Protocol):
    """One kind of run."""

    name: str

    def check(self, request: RunRequest) -> None:
        """Refuses a request before a run exists. Raises `RefusedError`; nothing was stored or called."""
        ...

    def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        """Yields what happens, as lists of what happened together.

        Returning is success; raising `ProviderError` is failure.
        """
        ...
