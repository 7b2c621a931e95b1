"""A plug-in's dialect may fail anywhere: the call ends with an error that quotes nothing, and nothing else happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from headwater.domain.event import Chunk, Complete, ProviderData
from headwater.domain.message import GenerationRequest, Message, Usage
from headwater.errors import BadRequestError, ErrorCode, ProviderError, Truncated, UnsupportedError
from headwater.providers.contract import Decoder, Finish, Frame, HttpRequest, Item
from headwater.providers.guarded import Guarded
from headwater.providers.openai_chat import OpenAIChat
from headwater.testing import check_dialect
from tests.kit.script import DONE, chat_chunk

ASKED = GenerationRequest("model", [Message("user", "Hello")])
SECRET = "the prompt and the key"
BODY = chat_chunk("Hello") + chat_chunk(finish="stop") + DONE


def fails(*_: object, **__: object) -> Any:
    raise KeyError(SECRET)


def leaves(*_: object, **__: object) -> Any:
    raise SystemExit(SECRET)


class Acme(OpenAIChat):
    """Somebody's dialect, with one thing that is done in another way."""

    def __init__(self, **others: Callable[..., Any]) -> None:
        super().__init__()
        self._others = others

    def request(self, request: GenerationRequest) -> HttpRequest:
        made: HttpRequest = self._others.get("request", super().request)(request)
        return made

    def decoder(self, request: GenerationRequest) -> Decoder:
        if "decoder" in self._others:
            made: Decoder = self._others["decoder"]()
            return made
        decoder = super().decoder(request)
        for name in ("feed", "end"):
            if name in self._others:
                setattr(decoder, name, self._others[name])
        return decoder

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        error: ProviderError = self._others.get("error", super().error)(status, headers, body)
        return error


class Endless:
    """A decoder that can not say whether it has ended."""

    ended = property(fails)

    def feed(self, frame: Frame) -> list[Item]:
        return []

    def end(self, clean: bool) -> list[Item]:
        return [Finish("stop")]


def guarded(**others: Callable[..., Any]) -> Guarded:
    return Guarded(Acme(**others), "acme")


def test_a_sound_one_is_as_it_was() -> None:
    guard, bare = guarded(), OpenAIChat()
    assert (guard.name, guard.framing, guard.answers_whole) == (bare.name, bare.framing, bare.answers_whole)
    assert guard.request(ASKED) == bare.request(ASKED)
    assert guard.error(401, {}, b"").code is ErrorCode.AUTH
    assert check_dialect(guard, BODY).items == [Chunk("Hello", 0), Finish("stop", "stop")]


def test_what_it_refuses_stays_its_own() -> None:
    def refuse(request: GenerationRequest) -> HttpRequest:
        raise BadRequestError("No.", pointer="/messages/0")

    with pytest.raises(BadRequestError, match="No"):
        guarded(request=refuse).request(ASKED)


@pytest.mark.parametrize(
    "request_of",
    [
        fails,
        leaves,
        lambda _: None,
        lambda _: ("/", b""),
        lambda _: HttpRequest("@elsewhere.example/", b""),
        lambda _: HttpRequest(b"/"),  # type: ignore[arg-type]  # as a plug-in without types may
        lambda _: HttpRequest("/", "{}"),  # type: ignore[arg-type]
        lambda _: HttpRequest("/", headers={"A": "b\r\nHost: elsewhere.example"}),
        lambda _: HttpRequest("/", headers={"A": 1}),  # type: ignore[dict-item]
        lambda _: HttpRequest("/", headers=["A"]),  # type: ignore[arg-type]
    ],
)
def test_a_request_that_can_not_be_made_is_refused(request_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="plug-in `acme`") as caught:
        guarded(request=request_of).request(ASKED)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("others", "where"),
    [
        ({"decoder": fails}, "decoder"),
        ({"decoder": leaves}, "decoder"),
        ({"decoder": Endless}, "ended"),
        ({"feed": fails}, "feed"),
        ({"feed": leaves}, "feed"),
        ({"feed": lambda _: None}, "feed"),
        ({"feed": lambda _: [object()]}, "feed"),
        ({"feed": lambda _: [Chunk(7, "x")]}, "feed"),  # type: ignore[arg-type]
        ({"feed": lambda _: [ProviderData("acme", object())]}, "feed"),
        # an end of the run, and not of the stream
        ({"feed": lambda _: [Complete("stop", Usage())]}, "feed"),
        ({"end": fails}, "end"),
        ({"end": leaves}, "end"),
        ({"end": lambda _: None}, "end"),
        ({"end": lambda _: []}, "end"),
        ({"end": lambda _: [Chunk("x", 0)]}, "end"),
    ],
)
def test_a_decoder_s_fault_is_the_call_s_error(others: dict[str, Callable[..., Any]], where: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decoder = guarded(**others).decoder(ASKED)
        if not decoder.ended:
            decoder.feed(Frame(b"[DONE]"))
            decoder.end(True)
    error = caught.value
    assert (error.code, error.retryable) == (ErrorCode.SERVER, False)
    assert f"the plug-in `acme`: `{where}`" in error.detail
    assert SECRET not in error.detail + error.message


@pytest.mark.parametrize(
    ("interim", "known"),
    [
        (lambda _: Usage(1, 0, 2), Usage(1, 0, 2)),
        (lambda _: None, None),
        (lambda _: {"input_tokens": "many"}, None),
        (lambda _: object(), None),
        (fails, None),
        (leaves, None),
    ],
)
def test_what_it_says_of_usage_is_usage_or_nothing(interim: Callable[..., Any], known: Usage | None) -> None:
    class Telling(Endless):
        ended = False

    Telling.interim = property(interim)  # type: ignore[attr-defined]  # as a plug-in may have it
    decoder = guarded(decoder=Telling).decoder(ASKED)
    assert getattr(decoder, "interim", "missing") == known


def test_a_provider_s_error_stays_what_it_is() -> None:
    decoder = guarded().decoder(ASKED)
    with pytest.raises(ProviderError) as caught:
        decoder.feed(Frame(b"{"))
    assert caught.value.code is ErrorCode.PARSE
    with pytest.raises(Truncated):
        decoder.end(False)


@pytest.mark.parametrize("error_of", [fails, leaves, lambda *_: None])
def test_a_refusal_that_it_can_not_read_is_one_all_the_same(error_of: Callable[..., Any]) -> None:
    error = guarded(error=error_of).error(503, {}, b"")
    assert (error.code, error.status_code) == (ErrorCode.SERVER, 503)
    assert SECRET not in error.detail
