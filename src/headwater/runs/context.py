"""What a workflow is given: its request, the clock, and models to call.

It also keeps the books that an honest end needs: which calls were opened, and which reached their end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from itertools import count
from typing import Any, Protocol, cast

import msgspec
import structlog

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import RunRequest
from headwater.errors import ErrorCode, HeadwaterError, Truncated
from headwater.providers.contract import Finish, Provider, Silence
from headwater.runs.ending import RESULT_BYTES_MAX
from headwater.runs.silence import Phase, SilenceWatch
from headwater.runs.takeover import Resumption, opening
from headwater.telemetry import Observer, ProviderCalled

_log = structlog.get_logger(__name__)

#: How long a stream may take to close when its run is not being stopped, in seconds.
CLOSE_S = 2.0


class Models(Protocol):
    """Finds who answers to a model's name: the provider, and the name that it knows the model by."""

    def resolve(self, name: str) -> tuple[Provider, str]: ...

    def silence(self, name: str) -> Silence:
        """How long the model may put out nothing, where the run does not say."""
        ...

    def capabilities(self, name: str) -> Collection[str]:
        """What the model can be asked for."""
        ...


async def close_stream(stream: AsyncIterator[Any]) -> None:
    """Closes a stream if it can be closed, but neither waits for ever nor fails: what was said stays said."""
    aclose = getattr(stream, "aclose", None)
    if aclose is None:
        return
    try:
        async with asyncio.timeout(CLOSE_S):
            await aclose()
    except Exception as error:
        _log.warning("stream not closed", error=type(error).__name__)


class Context:
    """The `RunContext` of a run.

    `on_call` hears that a call begins, `on_silence` that one has put out nothing for as long as it may: in which
    phase, and the limit in seconds.
    """

    def __init__(
        self,
        run: str,
        request: RunRequest,
        models: Models,
        clock: Clock,
        observer: Observer,
        on_call: Callable[[], None],
        on_silence: Callable[[Phase, float], object],
        resumption: Resumption | None = None,
    ) -> None:
        self.request = request
        self.clock = clock
        self.result: object = None
        self.finishes: dict[int, Finish] = {}
        self._run = run
        self._models = models
        self._observer = observer
        self._on_call = on_call
        self._on_silence = on_silence
        self._resumption = resumption
        self._roles: dict[int, ev.Role] = {}
        self._numbers = count()
        self._open: dict[int, AsyncGenerator[list[ev.Event], None]] = {}

    def set_result(self, value: object) -> None:
        encoded = msgspec.json.encode(value)
        if len(encoded) > RESULT_BYTES_MAX:
            raise ValueError(f"a result has at most {RESULT_BYTES_MAX} bytes as JSON, this one has {len(encoded)}")
        # kept as it is now: what the workflow does to it later is not in the log
        self.result = msgspec.json.decode(encoded)

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
        place = next(self._numbers)
        call = self._open[place] = self._generate(request, role, place)
        return call

    def _silence(self, model: str) -> Silence:
        """The run's own limits; where it sets none, those of the model."""
        own, its = self.request.limits, self._models.silence(model)
        return Silence(
            its.first_token_s if own.first_token_s is None else own.first_token_s,
            its.idle_s if own.idle_s is None else own.idle_s,
        )

    async def _generate(
        self, request: GenerationRequest, role: ev.Role, place: int
    ) -> AsyncGenerator[list[ev.Event], None]:
        number = len(self._roles) + 1
        self._roles[number] = role
        provider, model = self._models.resolve(request.model)
        self._on_call()
        silence = self._silence(request.model)
        watch = SilenceWatch(silence, self.clock, self._on_silence) if silence != Silence() else None
        yield [ev.Status("connecting"), *self._opening(request, number, role, provider.name, model)]
        began, code = self.clock.monotonic(), "CANCELLED"
        request = msgspec.structs.replace(request, model=model)
        stream = provider.stream(request, connect_s=self.request.limits.connect_s)
        connected = False
        try:
            if watch is not None:
                watch.waits()
            async for items in stream:
                if watch is not None:
                    watch.took(items)
                if not connected:
                    connected = True
                    yield [ev.Status("streaming")]
                if items and isinstance(items[-1], Finish):
                    self.finishes[number] = items[-1]
                    items = items[:-1]
                if items:
                    events = cast("list[ev.Event]", items)
                    yield events if number == 1 else [_of_call(event, number) for event in events]
                if watch is not None:
                    watch.waits()
            if number not in self.finishes:
                raise Truncated("The provider's stream ended without an end.", provider=provider.name)
            code = ""
        except HeadwaterError as error:
            code = str(error.code)
            raise
        except Exception:
            code = str(ErrorCode.SERVER)
            raise
        finally:
            if watch is not None:
                watch.over()
            # closes the upstream socket, whichever way this call ends
            await close_stream(stream)
            self._open.pop(place, None)
            self._observer.provider_called(
                ProviderCalled(self._run, provider.name, model, code or None, self.clock.monotonic() - began)
            )

    def _opening(
        self, request: GenerationRequest, number: int, role: ev.Role, provider: str, model: str
    ) -> list[ev.Event]:
        resumption, self._resumption = self._resumption, None
        if resumption is None or resumption.mode == "fresh":
            return [ev.Call(number, role, provider, model)]
        return opening(resumption, request.messages, provider, model)

    async def close(self) -> None:
        """Closes what a workflow left open; every upstream socket is closed when it returns."""
        while self._open:
            _, call = self._open.popitem()
            await close_stream(call)


def _of_call(event: ev.Event, number: int) -> ev.Event:
    return msgspec.structs.replace(event, call=number) if hasattr(event, "call") else event
