"""What happens inside, told to whoever observes."""

from __future__ import annotations

import inspect
import re
import weakref
from typing import Any

import pytest

from headwater.telemetry import Observer, Observers, SilentObserver, forget_frames, frames

METHODS = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if not name.startswith("_")]


class Heard(SilentObserver):
    """Notes every call, whichever it is."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, tuple[Any, ...]]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in METHODS:
            return lambda *details: self.heard.append((name, details))
        return super().__getattribute__(name)


def details_of(name: str) -> list[str]:
    return [f"{name}.{each}" for each in list(inspect.signature(getattr(Observer, name)).parameters)[1:]]


def test_several_observers_hear_the_same_in_the_same_order() -> None:
    one, other = Heard(), Heard()
    both: Observer = Observers(one, other)
    for name in METHODS:
        getattr(both, name)(*details_of(name))
    assert one.heard == other.heard == [(name, tuple(details_of(name))) for name in METHODS]
    assert len(METHODS) >= 8


def test_a_silent_observer_hears_everything_and_says_nothing() -> None:
    for name in METHODS:
        assert getattr(SilentObserver(), name)(*details_of(name)) is None


def test_every_observer_has_the_same_methods() -> None:
    for name in METHODS:
        signatures = {str(inspect.signature(getattr(cls, name))) for cls in (Observer, SilentObserver, Observers)}
        assert len(signatures) == 1, name


def test_where_an_error_came_from_is_told_without_its_words() -> None:
    def deep(levels: int) -> None:
        if levels == 0:
            raise ValueError("what a person wrote")
        deep(levels - 1)

    with pytest.raises(ValueError) as caught:
        deep(20)
    told = frames(caught.value)
    assert len(told) == 8
    assert all(re.fullmatch(r"test_telemetry\.py:\d+ deep", frame) for frame in told)
    assert frames(ValueError("never raised")) == []


def test_frames_that_an_error_went_through_are_let_go_of_through_all_that_it_came_from() -> None:
    held: list[weakref.ref[_Local]] = []

    def fails(depth: int) -> None:
        local = _Local()
        held.append(weakref.ref(local))
        try:
            if depth:
                fails(depth - 1)
        except ValueError as error:
            raise KeyError(depth) from error
        raise ValueError(depth)

    with pytest.raises(KeyError) as caught:
        fails(2)
    error = caught.value
    assert any(each() is not None for each in held)
    del caught
    forget_frames(error)
    assert all(each() is None for each in held)
    error.__context__ = error
    forget_frames(error)


def test_frames_are_let_go_of_in_groups_of_errors_and_their_causes() -> None:
    def failed(kind: type[Exception]) -> Exception:
        try:
            raise kind
        except Exception as error:
            return error

    one, two, cause = failed(ValueError), failed(KeyError), failed(OSError)
    two.__cause__ = cause
    forget_frames(ExceptionGroup("both", [one, two]))
    assert [each.__traceback__ for each in (one, two, cause)] == [None] * 3


class _Local:
    """What only a frame holds."""
