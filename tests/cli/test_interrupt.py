from __future__ import annotations

import signal
import threading

import pytest

from headwater.cli.interrupt import Interrupts


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_a_press_while_it_waits_is_raised_there() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            interrupts.let_in(press)


def test_a_press_between_two_waits_is_raised_by_the_next() -> None:
    with Interrupts() as interrupts:
        assert interrupts.let_in(lambda: 1) == 1
        press()
        with pytest.raises(KeyboardInterrupt):
            interrupts.let_in(lambda: 2)
        assert interrupts.let_in(lambda: 3) == 3


def test_a_second_press_is_raised_anywhere() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            interrupts.let_in(press)
        with pytest.raises(KeyboardInterrupt):
            press()


def test_afterwards_all_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_another_thread_changes_nothing() -> None:
    results: list[int] = []

    def work() -> None:
        with Interrupts() as interrupts:
            results.append(interrupts.let_in(lambda: 4))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [4]
    assert signal.getsignal(signal.SIGINT) == before
