"""What a workflow is given: its request, the clock, and models to call.

It also keeps the books that an honest end needs: which calls were opened, and which reached their end.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Protocol, cast

import msgspec

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import RunRequest
from headwater.errors import HeadwaterError, Truncated
from headwater.providers.contract import Finish, Item, Provider
from headwater.telemetry import Observer, ProviderCalled


class Models(Protocol):
    """Finds who answers to a model's name: the provider, and the name that it knows the model by."""

    def resolve(self, name: str) -> tuple[Provider, str]: ...


class Context:
    """The `RunContext` of a run. `on_phase` hears "call" when one begins, "connected" when it is answered."""

    def __init__(
        self,
        run: str,
        request: RunRequest,
        models: Models,
        clock: Clock,
        observer: Observer,
        on_phase: Callable[[str], None],
    ) -> None:
        self.request = request
        self.clock = clock
        self.result: object = None
        self.finishes: dict[int, Finish] = {}
        self._run = run
        self._models = models
        self._observer = observer
        self._on_phase = on_phase
        self._roles: dict[int, ev.Role] = {}
        self._open: list[AsyncGenerator[list[ev.Event], None]] = []

    def set_result(self, value: object) -> None:
        self.result = value

    @property
    def calls(self) -> int:
        return len(self._roles)

    @property
    def unfinished_answers(self) -> list[int]:
        """The calls whose output is in the result and whose end was not reached."""
        return [call for call, role in self._roles.items() if role == "answer" and call not in self.finishes]

    @property
    def finish_reason(self) -> ev.FinishReason:
        """How the last answer call ended; `stop` where a workflow answers without a model."""
        answers = [call for call, role in self._roles.items() if role == "answer" and call in self.finishes]
        return self.finishes[answers[-1]].reason if answers else "stop"

    def generate(self, request: GenerationRequest, *, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        call = self._generate(request, role)
        self._open.append(call)
        return call

    async def _generate(self, request: GenerationRequest, role: ev.Role) -> AsyncGenerator[list[ev.Event], None]:
        number = len(self._roles) + 1
        self._roles[number] = role
        provider, model = self._models.resolve(request.model)
        self._on_phase("call")
        yield [ev.Status("connecting"), ev.Call(number, role, provider.name, model)]
        began, code = self.clock.monotonic(), "CANCELLED"
        request = msgspec.structs.replace(request, model=model)
        stream = provider.stream(request, connect_s=self.request.limits.connect_s)
        connected = False
        try:
            async for items in stream:
                if not connected:
                    connected = True
                    self._on_phase("connected")
                    yield [ev.Status("streaming")]
                if items and isinstance(items[-1], Finish):
                    self.finishes[number] = items[-1]
                    del items[-1]
                if items:
                    events = cast("list[ev.Event]", items)
                    yield events if number == 1 else [_of_call(event, number) for event in events]
            if number not in self.finishes:
                raise Truncated("The provider's stream ended without an end.", provider=provider.name)
            code = ""
        except HeadwaterError as error:
            code = str(error.code)
            raise
        finally:
            # closes the upstream socket, whichever way this call ends
            await cast("AsyncGenerator[list[Item], None]", stream).aclose()
            self._observer.provider_called(
                ProviderCalled(self._run, provider.name, model, code or None, self.clock.monotonic() - began)
            )

    async def close(self) -> None:
        """Closes what a workflow left open; every upstream socket is closed when it returns."""
        while self._open:
            with contextlib.suppress(HeadwaterError):
                await self._open.pop().aclose()


def _of_call(event: ev.Event, number: int) -> ev.Event:
    return msgspec.structs.replace(event, call=number) if hasattr(event, "call") else event
