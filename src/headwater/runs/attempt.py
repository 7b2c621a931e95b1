"""One try at a model call: its permit, its stream, the watch over its silence, and what is told of it at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import NamedTuple, Protocol

import msgspec

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message, Usage
from headwater.domain.run import Limits, RunRequest
from headwater.domain.snapshot import Fold
from headwater.errors import ErrorCode, HeadwaterError, ProviderError
from headwater.providers.answer import interim_usage, is_unanswered
from headwater.providers.breaker import Permit
from headwater.providers.contract import BackgroundProvider, Checkpoint, Item, Provider, Silence
from headwater.providers.cost import Pricing
from headwater.providers.resilience import Resilience, Route
from headwater.runs.call_meter import CallMeter
from headwater.runs.closing import close_stream
from headwater.runs.meter import OUTPUT
from headwater.runs.reattachment import Reattachment
from headwater.runs.resumed import Lasting
from headwater.runs.silence import Phase, SilenceWatch
from headwater.runs.takeover import is_checkpoint
from headwater.telemetry import Observer, ProviderCalled

#: What a reader would see twice if the call were made again: output, and what is said about it.
PUT_OUT: frozenset[type[ev.Event]] = OUTPUT | {ev.Annotation, ev.ProviderData}
#: How long a provider that was silent for too long may take to let go, before the whole run is stopped for it.
LET_GO_S = 0.1


class Models(Protocol):
    """Finds who answers to a model's name: the provider, and the name that it knows the model by."""

    def resolve(self, name: str) -> tuple[Provider, str]: ...

    def silence(self, name: str) -> Silence:
        """How long the model may put out nothing, where the run does not say."""
        ...

    def capabilities(self, name: str) -> Collection[str]:
        """What the model can be asked for."""
        ...

    def who_can(self, capability: str) -> Collection[str]:
        """A few models that have this among their capabilities."""
        ...

    def pricing(self, name: str) -> Pricing:
        """How the model is paid for."""
        ...


class Surroundings(NamedTuple):
    """What the run around a call gives it."""

    run: str
    request: RunRequest
    models: Models
    clock: Clock
    observer: Observer
    resilience: Resilience
    #: the monotonic time at which the run's time is over
    deadline: float
    #: what the run's records so far amount to
    fold: Callable[[], Fold]
    #: hears that a model is called
    on_call: Callable[[], None]
    #: hears of a model that was silent beyond its limit, with nothing left that could answer in its place: in which
    #: phase, and the limit in seconds
    on_silence: Callable[[Phase, float], object]
    #: hears of an answer that goes on at its provider's, and that another try takes the place of
    on_left: Callable[[BackgroundProvider, Checkpoint], object]


class Attempt:
    """One try: `open`, then `took` for the lists until it has put something out, then `close`.

    Every list goes through `meter`, too. Where the connection was lost and `rest_in_s` says so, it is opened once more
    after `let_go`, and goes on with the rest of the same answer.
    """

    def __init__(
        self,
        around: Surroundings,
        route: Route,
        request: GenerationRequest,
        asked: Sequence[Message] | None = None,
    ) -> None:
        """`asked` is what the model is really shown, where that is more than the request says."""
        self.route = route
        #: why it did not reach its end; None where it did
        self.code: ErrorCode | None = ErrorCode.CANCELLED
        #: the provider's own words for a failure, and in which phase a limit was reached
        self._detail = ""
        self._phase: str | None = None
        #: what it used and no record says yet; known once it is closed
        self.untold: Usage | None = None
        #: the seq of its first output, or a little before; None where it has put out nothing
        self.put_out_from: int | None = None
        self._around = around
        self._request = msgspec.structs.replace(request, model=route.model)
        pricing = around.models.pricing(route.name)
        self.meter = CallMeter(request.messages if asked is None else asked, pricing, around.clock)
        silence = _silence(around, route)
        self.watch = SilenceWatch(silence, around.clock, self._fell_silent) if silence != Silence() else None
        self._broken: tuple[Phase, float] | None = None
        self._interrupted: asyncio.Task[object] | None = None
        self._cancels_before = 0
        self._stuck: asyncio.TimerHandle | None = None
        self._permit: Permit | None = None
        self._stream: AsyncIterator[list[Item]] | None = None
        self._began = around.clock.monotonic()
        self._reattachment = Reattachment(around.resilience.policy.retry)

    def open(self) -> AsyncIterator[list[Item]]:
        """The provider's stream. Raises `ProviderError` CIRCUIT_OPEN where the model is resting."""
        around = self._around
        if self._permit is None:
            self._began = around.clock.monotonic()
            self._permit = around.resilience.admit(self.route, self._began)
        caller = self.route.caller or self.route.provider
        self._stream = caller.stream(self._request, connect_s=around.request.limits.connect_s)
        return self._stream

    def took(self, items: Sequence[Item]) -> bool:
        """Takes note of what arrived first; returns whether something was put out in it, and no more need be told."""
        if self.put_out_from is not None:
            return True
        if not any(type(item) in PUT_OUT and not is_checkpoint(item) for item in items):
            return False
        self.put_out_from = self._around.fold().seq + 1
        assert self._permit is not None
        self._permit.put_out()
        return True

    # ── silence ─────────────────────────────────────────────────────────────────────────────────

    def _fell_silent(self, phase: Phase, limit_s: float) -> None:
        """Interrupts whoever waits for the provider, as `asyncio.timeout` does; only this try is over by it."""
        assert self.watch is not None
        self._broken = (phase, limit_s)
        task = self._interrupted = self.watch.waiter
        if task is not None:
            self._cancels_before = task.cancelling()
            task.cancel()
        loop = asyncio.get_running_loop()
        self._stuck = loop.call_later(LET_GO_S, self._around.on_silence, phase, limit_s)

    def give_up(self) -> None:
        """Tells the run of a silence that nothing follows: whatever its workflow makes of it, the run is over."""
        if self._broken is not None:
            self._around.on_silence(*self._broken)

    def silence(self) -> ProviderError | None:
        """The failure, where it was our interruption that ended the wait; None where somebody else's did."""
        task, self._interrupted = self._interrupted, None
        if self._broken is None or task is None:
            return None
        if task.uncancel() > self._cancels_before:
            return None
        phase, limit_s = self._broken
        words = f"The model put out nothing for {limit_s:g} s."
        return ProviderError(ErrorCode.TIMEOUT, words, provider=self.route.provider.name, phase=phase)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    def failed(self, failure: HeadwaterError) -> None:
        """Takes note of why it did not reach its end."""
        self.code = failure.code
        if isinstance(failure, ProviderError):
            self._detail, self._phase = failure.detail, failure.phase

    @property
    def _was_hurried(self) -> bool:
        """Whether it ended by a limit of the run's own that is shorter than everybody's."""
        own, its = self._around.request.limits, self._around.models.silence(self.route.name)
        match self._phase:
            case "first_token":
                return is_shorter(own.first_token_s, its.first_token_s)
            case "idle":
                return is_shorter(own.idle_s, its.idle_s)
            case "connect":
                return is_shorter(own.connect_s, Limits().connect_s)
            case _:
                return False

    def rest_in_s(self, failure: HeadwaterError | None) -> float | None:
        """How long until the rest of the answer is to be asked for, which goes on without its connection; else None."""
        caller, around = self.route.caller, self._around
        if failure is None or self._permit is None or not isinstance(caller, Lasting) or not caller.is_begun:
            return None
        rest_in_s = self._reattachment.wait_s(
            failure,
            has_progressed=caller.has_progressed,
            left_s=around.deadline - around.clock.monotonic(),
            draw=around.clock.random.random(),
        )
        if rest_in_s is not None:
            # it goes on, so that this is nothing that it ended with
            self.code, self._detail, self._phase, self._broken = ErrorCode.CANCELLED, "", None, None
        return rest_in_s

    def cause(self, failure: HeadwaterError) -> HeadwaterError:
        """Why the try failed, where its last failure was that the rest of an answer could not be had."""
        return self._reattachment.cause(failure)

    async def let_go(self) -> None:
        """Closes the upstream socket."""
        if self.watch is not None:
            self.watch.over()
        # where the provider swallowed the interruption and ended in another way
        self.silence()
        try:
            if self._stream is not None:
                await close_stream(self._stream)
        finally:
            # also where the run can not wait until it has closed
            if self._stuck is not None:
                self._stuck.cancel()

    async def close(self) -> None:
        """Closes the upstream socket and tells of the try; `code` says how it went."""
        try:
            await self.let_go()
        finally:
            self._tell()

    def _tell(self) -> None:
        if self._permit is None:
            return
        around, now = self._around, self._around.clock.monotonic()
        permit, self._permit = self._permit, None
        # A caller's impatience says nothing about the model, and must not take it from others.
        code = ErrorCode.CANCELLED if self._was_hurried else self.code
        around.resilience.ended(self.route, permit, code, now)
        stream = self._stream
        # An error in place of the rest is none in place of the answer, which was begun.
        is_unheard = self.code is not None and self._reattachment.is_in_vain
        self.untold = self.meter.missing(
            ErrorCode.TRUNCATED if is_unheard else self.code,
            is_unanswered=is_unanswered(stream),
            interim=interim_usage(stream),
        )
        around.observer.provider_called(self._told(now - self._began))

    def _told(self, seconds: float) -> ProviderCalled:
        meter, route = self.meter, self.route
        usage = meter.usage or Usage()
        return ProviderCalled(
            run=self._around.run,
            provider=route.provider.name,
            model=route.model,
            code=self.code,
            seconds=seconds,
            name=route.name,
            first_token_s=meter.first_token_s,
            tokens_per_s=meter.tokens_per_s,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.cost_usd,
            detail=self._detail,
            was_hurried=self._was_hurried,
        )


def is_shorter(own_s: float | None, usual_s: float | None) -> bool:
    """Whether a limit is shorter than another one, None being for ever."""
    return own_s is not None and (usual_s is None or own_s < usual_s)


def _silence(around: Surroundings, route: Route) -> Silence:
    """The run's own limits; where it sets none, those of the model."""
    own, its = around.request.limits, around.models.silence(route.name)
    return Silence(
        its.first_token_s if own.first_token_s is None else own.first_token_s,
        its.idle_s if own.idle_s is None else own.idle_s,
    )
