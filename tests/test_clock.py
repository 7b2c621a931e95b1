"""Time and chance."""

from __future__ import annotations

import time

from headwater.clock import Clock, SystemClock


def test_the_system_s_clock_is_the_machine_s() -> None:
    clock: Clock = SystemClock()
    before, began = time.time_ns() // 1_000_000, time.monotonic()
    now, monotonic = clock.now_ms(), clock.monotonic()
    assert before <= now <= time.time_ns() // 1_000_000
    assert began <= monotonic <= time.monotonic()


def test_chance_is_each_clock_s_own() -> None:
    one, other = SystemClock(), SystemClock()
    assert one.random is one.random
    assert [one.random.random() for _ in range(4)] != [other.random.random() for _ in range(4)]
    assert all(0 <= one.random.uniform(0, 2) <= 2 for _ in range(100))
