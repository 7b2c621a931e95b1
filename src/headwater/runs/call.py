"""One model call of a run: its tries, at one model after another, until one reaches its end.

Every step from one try to the next is told in the log: `status` says that the call waits and why, `attempt` that a
model is called again. What an earlier try had put out is superseded then, where the run has allowed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message, Usage
from headwater.errors import CODES, BadRequestError, ErrorCode, HeadwaterError, Truncated
from headwater.providers import estimate
from headwater.providers.contract import Finish
from headwater.providers.resilience import Route
from headwater.providers.retry import Plan, Reach, Step, refuses_streaming
from headwater.runs.attempt import Attempt, Surroundings
from headwater.runs.continuation import continued
from headwater.runs.resumed import Lasting, provider_for
from headwater.runs.takeover import Resumption
from headwater.runs.takeover import opening as opening_events
from headwater.telemetry import CallRepeated


class ModelCall:
    """`events` is the call's output, to be read once. It begins, and gets its number, when it is first read.

    `on_begin` gives the number, and how the call stands where a crash had cut it; `on_over` hears that nothing more is
    put out.
    """

    def __init__(
        self,
        role: ev.Role,
        request: GenerationRequest,
        around: Surroundings,
        on_begin: Callable[[ModelCall], tuple[int, Resumption | None]],
        on_over: Callable[[], object] = lambda: None,
    ) -> None:
        self.role: ev.Role = role
        self.number = 0
        #: how the model ended its answer, once it has
        self.finish: Finish | None = None
        #: what the last try used and nobody has been told of
        self.untold: Usage | None = None
        self._request = request
        self._around = around
        self._on_begin = on_begin
        self._on_over = on_over
        self._routes: Sequence[Route] = ()
        self._plan = Plan([])
        #: what the model is shown where its answer goes on from what was said before a crash
        self._asked: Sequence[Message] | None = None
        #: of an answer whose rest is asked for after a crash: what its beginning has used
        self._rest: tuple[Usage | None, int, int] | None = None
        #: what is left of a wait that a crash had cut, in seconds
        self._due_in_s = 0.0
        #: the number of the present try
        self._tries = 1
        #: where what is to be superseded begins
        self._superseded_from: int | None = None
        #: who refused to stream, so that the present try asks for the whole answer
        self._refuser: Route | None = None

    @property
    def _route(self) -> Route:
        return self._routes[self._plan.place]

    async def events(self) -> AsyncGenerator[list[ev.Event], None]:
        """Lists of what happened together. Raises the failure of the last try, and whatever a provider raises."""
        try:
            opening: list[ev.Event] = [ev.Status("connecting"), *self._begin()]
            if self._due_in_s > 0:
                yield [ev.Status("retrying", "The provider is given its time.", wait_ms=round(self._due_in_s * 1000))]
                await asyncio.sleep(self._due_in_s)
            attempt, wait_s = self._attempt(), 0.0
            number, is_first = self.number, self.number == 1
            while True:
                watch, measure = attempt.watch, attempt.meter.took
                begins = is_settling = True
                failure: HeadwaterError | None = None
                try:
                    yield opening
                    if wait_s:
                        await asyncio.sleep(wait_s)
                    stream = attempt.open()
                    if watch is not None:
                        watch.waits()
                    async for items in stream:
                        if watch is not None:
                            watch.took(items)
                        if is_settling:
                            if begins:
                                begins = False
                                yield [ev.Status("streaming")]
                            is_settling = not attempt.took(items)
                        measure(items)
                        if items and isinstance(items[-1], Finish):
                            self.finish = items[-1]
                            items = items[:-1]
                        if items:
                            # but for its end, which is last, all that a provider puts out are events
                            events: Any = items
                            yield events if is_first else [_of_call(event, number) for event in events]
                        if watch is not None:
                            watch.waits()
                    self._check_end(attempt)
                except asyncio.CancelledError:
                    failure = attempt.silence()
                    if failure is None:
                        raise
                    attempt.failed(failure)
                except HeadwaterError as error:
                    failure = error
                    attempt.failed(failure)
                except Exception:
                    attempt.code = ErrorCode.SERVER
                    raise
                finally:
                    # closes the upstream socket, whichever way this ends
                    rest_in_s = attempt.rest_in_s(failure)
                    await (attempt.close() if rest_in_s is None else attempt.let_go())
                    self.untold = attempt.untold
                if failure is None:
                    if self.untold is not None:
                        yield [*self.tell()]
                    return
                if rest_in_s is not None:
                    opening, wait_s = [self._reattaching(attempt, failure, rest_in_s)], rest_in_s
                    continue
                failure = attempt.cause(failure)
                step = self._next(attempt, failure)
                yield [*self.tell(), self._status(step, failure)]
                await asyncio.sleep(step.wait_s)
                opening = [ev.Status("connecting"), self._again(failure.code)]
                attempt, wait_s = self._attempt(), 0.0
        finally:
            self._on_over()

    def tell(self) -> list[ev.UsageReport]:
        """The report of what was used and has not been told yet, if there is one; it is told by that."""
        untold, self.untold = self.untold, None
        return [] if untold is None else [ev.UsageReport(untold, None if self.number == 1 else self.number)]

    def _begin(self) -> list[ev.Event]:
        self.number, resumption = self._on_begin(self)
        around, request = self._around, self._request
        self._routes = _routes(request, around, resumption)
        now = around.clock.monotonic()
        legs = [around.resilience.leg(route, now) for route in self._routes]
        if resumption is not None and resumption.mode == "reattach":
            # what is asked for again is its rest: made again, it would be another answer
            legs = [leg._replace(policy=leg.policy._replace(tries_max=1)) for leg in legs]
        # an answer that goes on after a crash is taken back to where the crash was: each try of it begins there
        self._plan = Plan(legs, after_output=around.request.after_output == "new_attempt")
        provider, model = self._route.provider.name, self._route.model
        if resumption is None or resumption.mode == "fresh":
            return [ev.Call(self.number, self.role, provider, model, self._input_bytes)]
        born = around.deadline - around.request.limits.total_s
        self._due_in_s = resumption.due_ms / 1000 - (now - born)
        self._tries = resumption.attempt + (resumption.mode != "reattach")
        if resumption.mode == "continue":
            self._asked = continued(request, resumption.partial).messages
        if resumption.mode == "reattach":
            self._rest = (resumption.reported, resumption.said_bytes, resumption.reasoning_bytes)
        pricing = around.models.pricing(self._route.name)
        return opening_events(resumption, request.messages, provider, model, pricing)

    @property
    def _input_bytes(self) -> int | None:
        """What a start after a crash can not know: it has the run's own messages, not those that a workflow made."""
        messages = self._request.messages
        return None if messages == self._around.request.messages else estimate.input_bytes(messages)

    def _attempt(self) -> Attempt:
        around, route = self._around, self._route
        is_whole = self._plan.is_last or around.resilience.is_whole_only(route, around.clock.monotonic())
        around.on_call()
        attempt = Attempt(around, route, msgspec.structs.replace(self._request, stream=not is_whole), self._asked)
        if self._rest is not None:
            attempt.meter.goes_on(*self._rest)
        return attempt

    def _check_end(self, attempt: Attempt) -> None:
        if self.finish is None:
            raise Truncated("The provider's stream ended without an end.", provider=attempt.route.provider.name)
        attempt.code = None
        if self._refuser is not None:
            # Only now is it known: what the refusal said may have quoted the caller.
            self._around.resilience.remember_whole_only(self._refuser, self._around.clock.monotonic())

    def _next(self, attempt: Attempt, failure: HeadwaterError) -> Step:
        """What follows a try that has failed. Raises the failure where nothing does."""
        around, now = self._around, self._around.clock.monotonic()
        self.finish = None
        reach = Reach(
            left_s=around.deadline - now,
            draw=around.clock.random.random(),
            is_resting=around.resilience.is_resting(attempt.route, now),
            budget=around.resilience.budget(attempt.route),
        )
        step = self._plan.after(failure, reach, put_out=attempt.put_out_from is not None)
        if step is None:
            attempt.give_up()
            raise failure
        self._refuser = attempt.route if step.kind == "whole" and refuses_streaming(failure) else None
        if attempt.put_out_from is not None:
            self._superseded_from = attempt.put_out_from
        if isinstance(attempt.route.caller, Lasting):
            caller = attempt.route.caller
            if (left := caller.forget()) is not None:
                around.on_left(caller.provider, left)
        around.observer.call_repeated(
            CallRepeated(around.run, attempt.route.name, failure.code, step.kind, step.wait_s)
        )
        return step

    def _status(self, step: Step, failure: HeadwaterError) -> ev.Status:
        why = CODES[failure.code].title
        wait_ms = round(step.wait_s * 1000) or None
        match step.kind:
            case "retry":
                return ev.Status("retrying", f"{why}: trying again.", wait_ms=wait_ms)
            case "whole":
                return ev.Status("falling_back", f"{why}: asking for the whole answer at once.")
            case "fall_back":
                return ev.Status("falling_back", f"{why}: going on with the model `{self._route.name}`.")

    def _reattaching(self, attempt: Attempt, failure: HeadwaterError, wait_s: float) -> ev.Status:
        """The try goes on: the provider works, and is paid, whether it is heard or not."""
        self.finish = None
        name = attempt.route.name
        self._around.observer.call_repeated(CallRepeated(self._around.run, name, failure.code, "reattach", wait_s))
        why = CODES[failure.code].title
        return ev.Status("reattaching", f"{why}: asking for the rest of the answer.", wait_ms=round(wait_s * 1000))

    def _again(self, reason: ErrorCode) -> ev.Attempt:
        self._tries += 1
        route, superseded_from = self._route, self._superseded_from
        self._superseded_from = None
        return ev.Attempt(self.number, self._tries, reason, route.provider.name, route.model, superseded_from)


def _routes(request: GenerationRequest, around: Surroundings, resumption: Resumption | None) -> Sequence[Route]:
    """The model that is asked for, and those that may answer in its place; of a call that was cut, what is left."""
    models, names = around.models, list(dict.fromkeys([request.model, *around.request.fallback]))
    if resumption is not None and resumption.model in names:
        names = names[names.index(resumption.model) :]
    if _is_rest(resumption):
        # nobody else knows what was begun
        del names[1:]

    def route_to(name: str) -> Route:
        provider, model = models.resolve(name)
        caller = provider_for(provider, around.request.on_crash, resumption)
        return Route(name, provider, model, None if caller is provider else caller)

    first, *others = names
    routes = [route_to(first)]
    for name in others:
        try:
            routes.append(route_to(name))
        except BadRequestError:
            # It was there when the run was accepted; the configuration has changed since.
            continue
    return routes


def _is_rest(resumption: Resumption | None) -> bool:
    """Whether the call goes on with an answer that was begun."""
    return resumption is not None and resumption.mode in ("continue", "reattach")


def _of_call(event: ev.Event, number: int) -> ev.Event:
    return msgspec.structs.replace(event, call=number) if hasattr(event, "call") else event
