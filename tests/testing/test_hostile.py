"""The kit's hostile server says every kind of thing, and a sound dialect takes it."""

import random
from collections.abc import Sequence

import pytest

from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Decoder, Frame, Item
from headwater.providers.openai_chat import OpenAIChat
from headwater.testing import hostile
from headwater.testing.hostile import KEY, check_any, check_hostile, check_silent
from tests.kit.script import DONE, chat_chunk

BODY = chat_chunk("Hello") + chat_chunk(" world") + chat_chunk(finish="stop") + DONE


class Listening(OpenAIChat):
    """Keeps every frame that its decoders are fed."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Frame] = []

    def decoder(self, request: GenerationRequest) -> Decoder:
        decoder, feed = super().decoder(request), super().decoder(request).feed

        def listen(frame: Frame) -> list[Item]:
            self.heard.append(frame)
            return feed(frame)

        decoder.feed = listen  # type: ignore[method-assign]
        return decoder


def test_everything_is_said(seeded: random.Random) -> None:
    dialect = Listening()
    check_hostile(dialect, BODY, rng=seeded)
    heard = {frame.data for frame in dialect.heard}
    assert hostile.UNKNOWN in dialect.heard
    assert {text.encode() for text in hostile._STRANGE} <= heard
    assert any(data.endswith(KEY.encode()) for data in heard)
    for odd in ("null", '"\\ud800"', "[null]", "1e308"):
        assert any(data.startswith(b"{") and f": {odd}".encode() in data for data in heard), odd


def test_a_body_without_frames_can_be_checked(seeded: random.Random) -> None:
    check_hostile(OpenAIChat(), b"", rng=seeded)


@pytest.mark.parametrize("frames", [[], [Frame(b"{")], [Frame(BODY)], [Frame(b"[DONE]")]])
def test_a_provider_s_error_is_an_end_like_another(frames: Sequence[Frame]) -> None:
    check_any(OpenAIChat(), frames, "these")


@pytest.mark.parametrize("place", ["message", "detail"])
def test_a_key_in_an_error_is_seen(place: str) -> None:
    error = ProviderError(ErrorCode.AUTH, "no")
    check_silent(error, "this")
    setattr(error, place, f"the key {KEY} is wrong")
    with pytest.raises(AssertionError, match=f"this: the error's {place} repeats"):
        check_silent(error, "this")
