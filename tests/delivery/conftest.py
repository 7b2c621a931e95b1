"""Fixtures of the read half's tests."""

from tests.delivery.loops import on_loop

__all__ = ["on_loop"]
