"""When an answer that goes on at its provider's is asked for again, because its connection was lost. Pure."""

from __future__ import annotations

from typing import Final

from headwater.errors import ErrorCode, HeadwaterError, ProviderError
from headwater.providers.retry import RetryPolicy, consequence_of

#: What a stream ends with when it was cut. What the provider itself says in it is an end, and has other codes.
_CUT: Final = frozenset({ErrorCode.NETWORK, ErrorCode.TRUNCATED})


def is_lost(failure: HeadwaterError) -> bool:
    """Whether only the connection failed, or a request for the rest, so that the answer itself may go on."""
    if not isinstance(failure, ProviderError) or not failure.retryable:
        return False
    if failure.code is ErrorCode.TIMEOUT and failure.status_code is None:
        # who is too slow with its first token is so on any connection
        return failure.phase != "first_token"
    return failure.code in _CUT or (failure.status_code is not None and consequence_of(failure.code).retry)


class Reattachment:
    """The requests for the rest of one answer: so many in a row that bring nothing new, as there are tries of a call.

    They take nothing from the retry budget: the answer is made, and paid for, whether it is heard or not.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._in_vain = 0
        #: how the connection was lost since which nothing new has come
        self._first: HeadwaterError | None = None

    @property
    def is_in_vain(self) -> bool:
        """Whether the connection was lost, and nothing new has come since: what the provider makes is not heard."""
        return self._first is not None

    def wait_s(self, failure: HeadwaterError, *, has_progressed: bool, left_s: float, draw: float) -> float | None:
        """How long to wait before the rest is asked for; None where the answer is given up.

        `has_progressed` says that something new has come since it was asked for last. `left_s` and `draw` are as in
        `RetryPolicy.wait_s`.
        """
        if has_progressed:
            self._in_vain, self._first = 0, None
        if not is_lost(failure) or self._in_vain >= self._policy.tries_max:
            return None
        if self._in_vain and _is_silence(failure):
            # on two connections: it is not the connection
            return None
        asked_ms = failure.retry_after_ms if isinstance(failure, ProviderError) else None
        self._first = self._first or failure
        self._in_vain += 1
        return self._policy.wait_s(self._in_vain, None if asked_ms is None else asked_ms / 1000, left_s, draw)

    def cause(self, failure: HeadwaterError) -> HeadwaterError:
        """Why an answer that was given up failed: how its connection was lost, unless the provider has said more."""
        told_more = not is_lost(failure) and failure.code is not ErrorCode.INTERRUPTED
        return failure if told_more or self._first is None else self._first


def _is_silence(failure: HeadwaterError) -> bool:
    return isinstance(failure, ProviderError) and failure.phase == "idle"
