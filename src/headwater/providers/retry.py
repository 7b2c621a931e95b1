"""What follows a failed try at a model call: another one, after how long, or another model. Pure: no clock, no chance.

Two things keep an outage from being made worse. Every wait is drawn at random from zero up to a bound that doubles
("full jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), so callers do not come back
together; and tries beyond the first are paid from a budget that only successes fill, so there are few of them just
when nothing succeeds (gRPC A6, https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling). Time does
not fill it, as it does Finagle's: an outage that lasts would be paid for as long as it lasts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from headwater.errors import ErrorCode, HeadwaterError, ProviderError


class Consequence(NamedTuple):
    """What a failure with some code may lead to."""

    #: the same request to the same model may do better
    retry: bool
    #: another model may do better
    fall_back: bool
    #: it says something about how the provider is, so its breaker counts it
    counted: bool
    #: the provider may be down, so that few further tries in a row are made; not of one that is up, and counts
    down: bool


#: By the code of the failure. A code that is not here ends the call: the request is at fault, or we are.
CONSEQUENCES: Final[Mapping[ErrorCode, Consequence]] = {
    ErrorCode.NETWORK: Consequence(True, True, True, True),
    ErrorCode.TIMEOUT: Consequence(True, True, True, True),
    ErrorCode.RATE_LIMIT: Consequence(True, True, True, False),
    ErrorCode.OVERLOADED: Consequence(True, True, True, True),
    ErrorCode.SERVER: Consequence(True, True, True, True),
    ErrorCode.TRUNCATED: Consequence(True, True, True, True),
    ErrorCode.PARSE: Consequence(True, True, True, True),
    # A key or an account is not mended by trying again, and says nothing about the provider's health.
    ErrorCode.AUTH: Consequence(False, True, False, False),
    ErrorCode.BUDGET: Consequence(False, True, False, False),
    ErrorCode.CONTEXT_LENGTH: Consequence(False, True, False, False),
    ErrorCode.UNSUPPORTED: Consequence(False, True, False, False),
    ErrorCode.CIRCUIT_OPEN: Consequence(False, True, False, False),
}
_NOTHING: Final = Consequence(False, False, False, False)


def consequence_of(code: ErrorCode) -> Consequence:
    """The row of a code; nothing follows one that has none."""
    return CONSEQUENCES.get(code, _NOTHING)


class RetryPolicy(NamedTuple):
    """How often and how soon. Times in seconds."""

    #: tries of one model in one call, the first included
    tries_max: int = 3
    #: the longest first wait; it doubles with each further one
    backoff_s: float = 0.5
    #: the longest wait that is not the provider's own wish
    backoff_max_s: float = 8.0

    def wait_s(self, failures: int, asked_s: float | None, left_s: float, draw: float) -> float | None:
        """How long to wait after so many failures (1 or more); None where there is no time for another try.

        `asked_s` is the provider's `Retry-After`, which is kept to the end: what is drawn comes on top, so that those
        who were sent away together do not return together. `left_s` is what the run's deadline leaves. `draw` is from
        0 up to 1.
        """
        bound_s = min(self.backoff_max_s, self.backoff_s * 2.0 ** min(failures - 1, 30))
        wait_s = (asked_s or 0.0) + draw * bound_s
        if wait_s < left_s:
            return wait_s
        # What comes on top is ours to give up, what was asked for is not.
        return asked_s if asked_s is not None and asked_s < left_s else None


class RetryBudget:
    """A bucket of tokens, one for each further try. It starts full, and every success puts in a part of a token.

    So there are never more further tries than `reserve` and `ratio` of the successes; and of those that follow what
    may be an outage never more than `in_vain_max` from one success to the next, however full the bucket is. An outage
    is thus as many calls as requests, and `in_vain_max`.
    """

    def __init__(self, ratio: float = 0.1, reserve: float = 10.0, in_vain_max: int = 3) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self._in_vain_max = in_vain_max
        self._in_vain = 0
        self.tokens = reserve

    def succeeded(self) -> None:
        self._in_vain = 0
        self.tokens = min(self._reserve, self.tokens + self._ratio)

    def take(self, *, down: bool = True) -> bool:
        """Whether there is a further try left; then it is taken. `down` is as in `Consequence`."""
        # A tenth ten times over is not quite one.
        if self.tokens < 1 - 1e-9 or (down and self._in_vain >= self._in_vain_max):
            return False
        self.tokens = max(0.0, self.tokens - 1)
        self._in_vain += down
        return True


class Leg(NamedTuple):
    """A part of a plan: the tries of one model."""

    policy: RetryPolicy
    #: whether the model can be asked for its answer in one piece, and is not so asked anyway
    can_whole: bool = False


StepKind = Literal["retry", "whole", "fall_back"]


class Step(NamedTuple):
    """What is done next: the same again, the same without streaming, or the next model."""

    kind: StepKind
    wait_s: float = 0.0


class Reach(NamedTuple):
    """What a failed try leaves possible, as whoever keeps the books over all calls knows it."""

    #: what the run's deadline leaves, in seconds
    left_s: float
    #: a number from 0 up to 1, for the jitter
    draw: float
    #: the model's breaker lets no call through
    is_resting: bool
    #: its provider's; a token is taken where another try is decided on
    budget: RetryBudget


class Plan:
    """The tries of one call: over the models it may go to, in order, and so many at each.

    After output was put out there is another try only where `after_output` allows it: it will supersede what readers
    have seen.
    """

    def __init__(self, legs: Sequence[Leg], *, after_output: bool = False) -> None:
        self._legs = legs
        self._after_output = after_output
        #: which of the models is being tried
        self.place = 0
        #: tries of it so far, the present one included
        self.tries = 1
        #: the present try is its last: the answer was asked for in one piece because it can not be streamed
        self.is_last = False

    def after(self, error: HeadwaterError, reach: Reach, *, put_out: bool) -> Step | None:
        """What follows the present try's failure, which then is the present; None where the call has failed."""
        if put_out and not self._after_output:
            return None
        if not put_out and self._may_ask_whole(error, reach):
            self.tries += 1
            self.is_last = True
            return Step("whole")
        if (wait_s := self._retry_wait_s(error, reach)) is not None:
            self.tries += 1
            return Step("retry", wait_s)
        if consequence_of(error.code).fall_back and self._has_next:
            self.place += 1
            self.tries = 1
            self.is_last = False
            return Step("fall_back")
        return None

    @property
    def _has_next(self) -> bool:
        return self.place + 1 < len(self._legs)

    def _may_ask_whole(self, error: HeadwaterError, reach: Reach) -> bool:
        if self.is_last or not self._legs[self.place].can_whole or reach.is_resting or reach.left_s <= 0:
            return False
        # Who refuses to stream is asked otherwise at once, and from then on if that is answered; garbled streams may be
        # a passing fault. Both are paid for. Who refuses is up, and many at once may hear it before the first is
        # answered in one piece.
        may = refuses_streaming(error) or error.code is ErrorCode.PARSE
        return may and reach.budget.take(down=consequence_of(error.code).down)

    def _retry_wait_s(self, error: HeadwaterError, reach: Reach) -> float | None:
        policy = self._legs[self.place].policy
        phase = error.phase if isinstance(error, ProviderError) else None
        may = consequence_of(error.code).retry and error.retryable and not self.is_last
        # Who has been waited for in vain would be so again, at the cost of another prompt.
        if not may or phase == "first_token" or self.tries >= policy.tries_max or reach.is_resting:
            return None
        asked_ms = error.retry_after_ms if isinstance(error, ProviderError) else None
        asked_s = None if asked_ms is None else asked_ms / 1000
        if self._has_next and (asked_s or 0.0) > policy.backoff_max_s:
            # Another model answers sooner than this one wants to be asked.
            return None
        wait_s = policy.wait_s(self.tries, asked_s, reach.left_s, reach.draw)
        return wait_s if wait_s is not None and reach.budget.take(down=consequence_of(error.code).down) else None


#: The word, or the field of that name; not a part of an address or of a name that somebody gave.
_STREAM: Final = re.compile(r"(?<![\w./?&=-])stream(?:ing|_options)?(?![\w/=-]|\.\w)", re.IGNORECASE)


def refuses_streaming(error: HeadwaterError) -> bool:
    """Whether a provider seems to have refused the request because of the stream that was asked for.

    Its words may quote the caller's, so that it is not known before the same request without a stream was answered.
    """
    return (
        isinstance(error, ProviderError)
        and error.code in (ErrorCode.UNSUPPORTED, ErrorCode.BAD_REQUEST)
        and _STREAM.search(error.detail) is not None
    )
