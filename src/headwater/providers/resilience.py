"""What the server remembers over all model calls, so that a provider in trouble is not made worse off: a breaker for
each model, a budget of further tries for each provider, and who can not stream. Without clock, chance or await.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from headwater.errors import ErrorCode, ProviderError
from headwater.providers import replay, simulated
from headwater.providers.breaker import Breaker, BreakerFigures, Permit, Thresholds
from headwater.providers.contract import Provider
from headwater.providers.retry import Leg, RetryBudget, RetryPolicy, consequence_of
from headwater.telemetry import BreakerMoved

#: Their failures are what somebody asked for: trying again gives the same, and says nothing about anybody's health.
ON_REQUEST: Final = frozenset({simulated.NAME, replay.NAME})

#: How long a model is not asked for a stream again: what it refused for may pass.
WHOLE_ONLY_S: Final = 600.0


class ResiliencePolicy(NamedTuple):
    """All that can be set. Times in seconds."""

    retry: RetryPolicy = RetryPolicy()
    #: further tries for each success, how many there are at the beginning, and in an outage until something succeeds
    budget_ratio: float = 0.1
    budget_reserve: float = 10.0
    budget_in_vain: int = 3
    breaker: Thresholds = Thresholds()


DEFAULT: Final = ResiliencePolicy()
#: Each model is called once, whatever comes of it.
ONCE: Final = ResiliencePolicy(RetryPolicy(tries_max=1), breaker=Thresholds(failures=0))


class Route(NamedTuple):
    """A model as it is called: the name that callers say, who answers to it, and the name that they know it by."""

    name: str
    provider: Provider
    model: str
    #: who makes the tries in its stead, of a call whose answer is to outlive us or goes on after a crash
    caller: Provider | None = None

    @property
    def can_whole(self) -> bool:
        """Whether its answer can be asked for in one piece."""
        return self.caller is None and bool(getattr(self.provider, "answers_whole", False))


class BreakerRow(NamedTuple):
    """How one model's breaker stands."""

    #: the name that callers say
    name: str
    provider: str
    model: str
    figures: BreakerFigures


class Breakers:
    """One breaker for each model, by the name that callers say: there are as many as the catalog has rows."""

    def __init__(self, thresholds: Thresholds, on_move: Callable[[BreakerMoved], None]) -> None:
        self._thresholds = thresholds
        self._on_move = on_move
        self._by_name: dict[str, tuple[Route, Breaker]] = {}

    def of(self, route: Route) -> Breaker:
        found = self._by_name.get(route.name)
        if found is None:
            found = self._by_name[route.name] = (route._replace(caller=None), self._made(route))
        return found[1]

    def _made(self, route: Route) -> Breaker:
        provider = route.provider.name
        if provider in ON_REQUEST:
            return Breaker(self._thresholds._replace(failures=0))
        return Breaker(
            self._thresholds,
            lambda state: self._on_move(BreakerMoved(route.name, provider, route.model, state)),
        )

    def snapshot(self, now: float) -> list[BreakerRow]:
        """How each breaker stands, of the models that have been called."""
        return [
            BreakerRow(route.name, route.provider.name, route.model, breaker.figures(now))
            for route, breaker in self._by_name.values()
        ]


class Resilience:
    """The memory itself, one a server. `now` is a monotonic time in seconds."""

    def __init__(
        self, policy: ResiliencePolicy = DEFAULT, on_move: Callable[[BreakerMoved], None] = lambda _: None
    ) -> None:
        self.policy = policy
        self.breakers = Breakers(policy.breaker, on_move)
        self._budgets: dict[Provider, RetryBudget] = {}
        #: until when
        self._whole_only: dict[str, float] = {}

    def leg(self, route: Route, now: float) -> Leg:
        """What a plan may do with the route."""
        retry = self.policy.retry
        if route.provider.name in ON_REQUEST:
            retry = retry._replace(tries_max=1)
        return Leg(retry, can_whole=route.can_whole and not self.is_whole_only(route, now))

    def budget(self, route: Route) -> RetryBudget:
        """That of the route's provider: a server in trouble is in trouble for all its models."""
        budget = self._budgets.get(route.provider)
        if budget is None:
            policy = self.policy
            budget = RetryBudget(policy.budget_ratio, policy.budget_reserve, policy.budget_in_vain)
            self._budgets[route.provider] = budget
        return budget

    def admit(self, route: Route, now: float) -> Permit:
        """Raises `ProviderError` CIRCUIT_OPEN, with the time until a call may be tried."""
        breaker = self.breakers.of(route)
        permit = breaker.admit(now)
        if permit is None:
            raise ProviderError(
                ErrorCode.CIRCUIT_OPEN,
                f"The model `{route.name}` failed too often just now, and is given a rest. Try again in a moment.",
                provider=route.provider.name,
                retry_after_ms=int(breaker.rests_s(now) * 1000) + 1,
            )
        return permit

    def is_resting(self, route: Route, now: float) -> bool:
        """Whether no call would be let through now."""
        return self.breakers.of(route).rests_s(now) > 0

    def ended(self, route: Route, permit: Permit, code: ErrorCode | None, now: float) -> None:
        """A call that was let through is over: None for one that reached its end, else why it did not."""
        if code is None:
            permit.succeeded(now)
            self.budget(route).succeeded()
        elif consequence_of(code).counted:
            permit.failed(now)
        else:
            permit.abandoned(now)

    # Who refuses to stream is asked for whole answers for a while: else every request would cost two.

    def is_whole_only(self, route: Route, now: float) -> bool:
        return now < self._whole_only.get(route.name, now)

    def remember_whole_only(self, route: Route, now: float) -> None:
        self._whole_only[route.name] = now + WHOLE_ONLY_S
