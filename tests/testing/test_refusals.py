"""The kit for refusals hears what is wrong with each answer of `error`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from headwater.errors import ErrorCode, ProviderError
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.servers import SERVERS
from headwater.testing.refusals import check_refusals

Change = Callable[[ProviderError, bytes], object]


class Changed(OpenAIChat):
    """Reads a refusal, and then in another way."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self._change = change

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        error = super().error(status, headers, body)
        self._change(error, body)
        return error


def sets(name: str, value: Callable[[bytes], object]) -> Change:
    return lambda error, body: setattr(error, name, value(body))


def fails(error: ProviderError, body: bytes) -> None:
    body.decode()


MUTANTS: Mapping[str, tuple[Change, str]] = {
    "all is the server's fault": (sets("code", lambda _: ErrorCode.SERVER), "is SERVER, and not one of"),
    "the status is forgotten": (sets("status_code", lambda _: None), "told as None"),
    "the message is what was said": (sets("message", lambda body: body.decode("latin-1")), "the message quotes"),
    "the detail is all that was said": (sets("detail", lambda body: body.decode("latin-1")), "repeats a key"),
    "nothing is said": (sets("message", lambda _: ""), "says nothing"),
    "half a pair is said": (sets("detail", lambda _: "\ud800"), "half a surrogate pair"),
    "nothing may be tried again": (sets("_retryable", lambda _: False), "retryable is False"),
    "everything may be tried again": (sets("_retryable", lambda _: True), "retryable is True"),
    "no wait is heard": (sets("retry_after_ms", lambda _: None), "heard as None"),
    "not every body is read": (fails, "raised UnicodeDecodeError"),
}


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_mutant_is_caught(mutant: str) -> None:
    change, words = MUTANTS[mutant]
    with pytest.raises(AssertionError, match=words):
        check_refusals(Changed(change))


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_every_server_of_ours_keeps_the_laws(server: str) -> None:
    check_refusals(SERVERS[server].dialect())
