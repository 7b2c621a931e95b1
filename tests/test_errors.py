"""One tree of exceptions, one table of codes."""

from __future__ import annotations

import inspect
import re
from http import HTTPStatus
from typing import Any

import pytest

from headwater import errors
from headwater.errors import CODES, ErrorCode, HeadwaterError, ProviderError, Truncated, UnavailableError

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, HeadwaterError) and cls.__module__ == errors.__name__
]


def test_each_code_has_a_row_that_can_be_answered() -> None:
    assert set(CODES) == set(ErrorCode)
    for code, row in CODES.items():
        assert code == code.value == code.name
        assert row.title
        assert not row.title.endswith(".")
        assert row.status == 499 or HTTPStatus(row.status) >= 400


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^    ((?:[│ ] {3})*)(?:[├└]── )?(\w+)(?=\s|$)", line):
            name = found.group(2)
            depth = 0 if name == "HeadwaterError" else len(found.group(1)) // 4 + 1
            path[depth:] = [name]
            drawn[name] = path[depth - 1] if depth else ""
    assert drawn.pop("HeadwaterError") == ""
    assert drawn == {
        cls.__name__: cls.__base__.__name__ for cls in CLASSES if cls is not HeadwaterError and cls.__base__
    }


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if not issubclass(cls, ProviderError)])
def test_each_says_what_it_is(cls: type[HeadwaterError]) -> None:
    needed: dict[str, Any] = {"first": 1} if cls is errors.LogTrimmed else {}
    plain, told = cls(**needed), cls("Told.", **needed)
    row = CODES[plain.code]
    assert (plain.status, plain.retryable, plain.message) == (row.status, row.retryable, row.title)
    assert (told.message, str(told)) == ("Told.", "Told.")


def test_an_unavailable_server_says_why() -> None:
    assert UnavailableError().code is ErrorCode.DRAINING
    error = UnavailableError(code=ErrorCode.STORAGE, retry_after_s=2)
    assert (error.code, error.status, error.retry_after_s, error.message) == (
        ErrorCode.STORAGE,
        503,
        2,
        CODES[ErrorCode.STORAGE].title,
    )
    assert HeadwaterError.code is ErrorCode.SERVER


def test_a_provider_s_error_may_know_better_whether_to_try_again() -> None:
    assert ProviderError(ErrorCode.RATE_LIMIT).retryable
    assert not ProviderError(ErrorCode.RATE_LIMIT, retryable=False).retryable
    error = ProviderError(ErrorCode.RATE_LIMIT, "Slow.", provider="p", detail="d", status_code=429, retry_after_ms=5)
    assert (error.message, error.provider, error.detail, error.status_code) == ("Slow.", "p", "d", 429)
    assert (error.retry_after_ms, error.status) == (5, 429)
    cut = Truncated(provider="p", detail="d")
    assert (cut.code, cut.provider, cut.detail, cut.retryable) == (ErrorCode.TRUNCATED, "p", "d", True)
    assert "d" not in str(ProviderError(ErrorCode.AUTH, detail="d"))
