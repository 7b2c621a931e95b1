"""How often somebody may ask: a bucket for each, which fills evenly. Pure, but for what it remembers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple

from headwater.errors import RateLimitError

#: Whoever has not asked for longest is forgotten, and has a full bucket then.
KEYS_MAX: Final = 100_000


class _Bucket(NamedTuple):
    left: float
    at_s: float


class RateLimit:
    """At most `per_minute` in any moment, and on average; 0 is no limit."""

    def __init__(self, per_minute: int, *, keys_max: int = KEYS_MAX) -> None:
        self._per_minute = per_minute
        self._keys_max = keys_max
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def take(self, key: Hashable, now_s: float) -> None:
        """Counts one more of `key` at this time. Raises `RateLimitError`, and has counted nothing then.

        A clock that is set back stands still meanwhile.
        """
        if not self._per_minute:
            return
        per_s = self._per_minute / 60
        left, at_s = self._buckets.get(key, _Bucket(self._per_minute, now_s))
        left = min(self._per_minute, left + max(0.0, now_s - at_s) * per_s)
        if left < 1:
            wait_s = (1 - left) / per_s
            raise RateLimitError(f"More than {self._per_minute} messages in a minute.", retry_after_s=wait_s)
        self._buckets[key] = _Bucket(left - 1, now_s)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
