"""When to try again: pure state, no clock. Whoever uses it sleeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from headwater.client.errors import ClientError, MaxRetriesExceeded, NetworkError, ServerError


class RetryPolicy(NamedTuple):
    """How often, and how long to wait: a random part of 1, 2, 4, 8, 8 … seconds.

    The waits have full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): clients that were cut off
    together do not come back together.
    """

    #: in a row without progress; 0 never tries again
    tries_max: int = 3
    base_s: float = 1.0
    cap_s: float = 8.0
    #: a `Retry-After` above this is not waited for: its error is raised, and says how long
    retry_after_s_max: float = 60.0
    #: whether to try again where nothing answers at all; a person at a terminal would rather be told
    unreachable: bool = True


class Backoff:
    """One line of tries under a policy. `random` gives numbers from 0 to 1."""

    def __init__(self, policy: RetryPolicy, random: Callable[[], float]) -> None:
        self.policy = policy
        #: made so far, in a row without progress
        self.tries = 0
        #: the server's reconnection time (`retry:`) takes the place of the policy's own
        self.base_s = policy.base_s
        self._random = random

    def progressed(self) -> None:
        """Something new came: the next failure is a first one again."""
        self.tries = 0

    def delay_s(self, error: ClientError) -> float:
        """How long to wait before the next try after `error`, which counts as made.

        Raises `error` itself where another try can not help, `MaxRetriesExceeded` where enough were made.
        """
        policy = self.policy
        retry_after_s = error.retry_after_s if isinstance(error, ServerError) else None
        if (
            not error.retryable
            or policy.tries_max == 0
            or (isinstance(error, NetworkError) and error.unreachable and not policy.unreachable)
            or (retry_after_s is not None and retry_after_s > policy.retry_after_s_max)
        ):
            raise error
        if self.tries >= policy.tries_max:
            raise MaxRetriesExceeded(error, self.tries) from error
        # A server that asks for more than the cap is believed, up to the bound on what it may ask for at all.
        base_s = min(self.base_s, policy.retry_after_s_max)
        ceiling_s = min(base_s * 2.0**self.tries, max(policy.cap_s, base_s))
        self.tries += 1
        # A Retry-After is the earliest moment; the jitter comes on top, or everyone would be back at that moment.
        return (retry_after_s or 0.0) + self._random() * ceiling_s
