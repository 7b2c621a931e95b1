"""The dialect kit finds what it is there to find: each mutant breaks one law, and the sound dialect none."""

import random
from collections.abc import Callable, Mapping

import msgspec
import pytest

from headwater.domain.event import Chunk
from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Finish, Frame, Framing, HttpRequest, Item
from headwater.providers.openai_chat import OpenAIChat
from headwater.testing.dialect import Ends, check_dialect, check_truncated, decode_pieces, pieces_of

#: Three words, a finish, and a marker after which nothing matters.
BODY = b'data: "one"\n\ndata: "two"\n\ndata: "three"\n\ndata: finish\n\ndata: "late"\n\ndata: end\n\ndata: x\n\n'
ENDS = Ends(marker_at=BODY.index(b"end") + 3, finish_at=BODY.index(b"finish") + 6)


class Words:
    """A sound decoder of a small language: JSON strings, `finish`, `end` and `error`."""

    def __init__(self) -> None:
        self.done = False
        self.finished = False

    @property
    def ended(self) -> bool:
        return self.done

    def feed(self, frame: Frame) -> list[Item]:
        if self.done:
            return []
        if frame.data == b"finish":
            self.finished = True
        elif frame.data == b"end":
            self.done = True
        elif frame.data == b"error":
            raise ProviderError(ErrorCode.SERVER)
        else:
            try:
                value = msgspec.json.decode(frame.data)
            except (msgspec.DecodeError, RecursionError):
                raise ProviderError(ErrorCode.PARSE) from None
            return [Chunk(value, 0)] if isinstance(value, str) else []
        return []

    def end(self, clean: bool) -> list[Item]:
        if not self.done and not (clean and self.finished):
            raise Truncated
        return [Finish("stop")]


class Trusting(Words):
    """Takes every end for a whole one."""

    def end(self, clean: bool) -> list[Item]:
        return [Finish("stop")]


class Careless(Words):
    """Does not ask whether the end was clean."""

    def end(self, clean: bool) -> list[Item]:
        return super().end(True)


class Strict(Words):
    """Wants the marker where a clean end would do."""

    def end(self, clean: bool) -> list[Item]:
        return super().end(False)


class Deaf(Words):
    """Passes over errors."""

    def feed(self, frame: Frame) -> list[Item]:
        return [] if frame.data == b"error" else super().feed(frame)


class Endless(Words):
    """Completes without saying so."""

    def end(self, clean: bool) -> list[Item]:
        return super().end(clean)[:-1]


class Twice(Words):
    """Says it twice."""

    def feed(self, frame: Frame) -> list[Item]:
        done = self.done
        return [*super().feed(frame), *([Finish("stop")] if self.done and not done else [])]


class Hasty(Words):
    """Says that the stream is finished before it is."""

    def feed(self, frame: Frame) -> list[Item]:
        return [Finish("stop")] if frame.data == b"finish" else super().feed(frame)


class Surrogates(Words):
    """Puts out what can not be stored."""

    def end(self, clean: bool) -> list[Item]:
        return [Chunk("\ud800", 0), *super().end(clean)]


class Untyped(Words):
    """Puts out what a record does not give back."""

    def end(self, clean: bool) -> list[Item]:
        return [Chunk("x", 0, None, {1: 2}), *super().end(clean)]


class Global(Words):
    """Keeps its state where another stream finds it."""

    seen = 0

    def feed(self, frame: Frame) -> list[Item]:
        Global.seen += 1
        return [*super().feed(frame), Chunk(str(Global.seen), 0)]


class Curious(Words):
    """Fails at what it does not know."""

    def feed(self, frame: Frame) -> list[Item]:
        if frame.event:
            raise ProviderError(ErrorCode.PARSE, detail="what is that?")
        return super().feed(frame)


class Lenient(Words):
    """Passes over what it can not read."""

    def feed(self, frame: Frame) -> list[Item]:
        try:
            return super().feed(frame)
        except ProviderError:
            return []


class Quoting(Words):
    """Tells what it could not read."""

    def feed(self, frame: Frame) -> list[Item]:
        try:
            return super().feed(frame)
        except ProviderError as error:
            error.detail = frame.data.decode(errors="replace")
            raise


class Untyping(Words):
    """Trusts that every value is of the type that it should be."""

    def feed(self, frame: Frame) -> list[Item]:
        items = super().feed(frame)
        if frame.data.startswith(b"{"):
            msgspec.json.decode(frame.data)["type"]
        return items


class Trustful(Words):
    """Takes the order of frames for granted."""

    def __init__(self) -> None:
        super().__init__()
        self.left = ["late", "three", "two", "one"]

    def feed(self, frame: Frame) -> list[Item]:
        items = super().feed(frame)
        for item in items:
            if isinstance(item, Chunk) and item.content in ("one", "two", "three", "late"):
                self.left.remove(item.content)
        return items


class Language:
    """A dialect with one of these decoders."""

    name = "words"
    framing: Framing = Framing.SSE

    def __init__(self, decoder: Callable[[], Words]) -> None:
        self._decoder = decoder

    def request(self, request: GenerationRequest) -> HttpRequest:
        return OpenAIChat().request(request)

    def decoder(self, request: GenerationRequest) -> Words:
        return self._decoder()

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return OpenAIChat().error(status, headers, body)


def test_a_sound_dialect_keeps_all_laws(seeded: random.Random) -> None:
    decoded = check_dialect(Language(Words), BODY, ENDS, rng=seeded)
    assert decoded.completed
    assert decoded.items == [Chunk("one", 0), Chunk("two", 0), Chunk("three", 0), Chunk("late", 0), Finish("stop")]


def test_a_sound_dialect_fails_as_it_should(seeded: random.Random) -> None:
    body = b'data: "one"\n\ndata: finish\n\ndata: error\n\ndata: end\n\n'
    ends = Ends(body.index(b"end") + 3, body.index(b"finish") + 6, body.index(b"error") + 5)
    decoded = check_dialect(Language(Words), body, ends, rng=seeded)
    assert decoded.items == [Chunk("one", 0)]
    assert decoded.error is not None
    assert decoded.error.code is ErrorCode.SERVER


@pytest.mark.parametrize(
    ("mutant", "words"),
    [
        (Trusting, "completed is True"),
        (Careless, "completed is True"),
        (Strict, "completed is False"),
        (Endless, "`Finish` is at"),
        (Twice, "`Finish` is at"),
        (Hasty, "`Finish` is at"),
        (Surrogates, "can not be stored|does not come back"),
        (Untyped, "can not be stored|does not come back"),
        (Global, "other items"),
        (Curious, "unknown type"),
        (Lenient, "completed all the same"),
        (Quoting, "repeats a key"),
        (Untyping, "KeyError"),
        (Trustful, "out of order: ValueError"),
    ],
)
def test_a_mutant_is_caught(mutant: type[Words], words: str, seeded: random.Random) -> None:
    with pytest.raises(AssertionError, match=words):
        check_dialect(Language(mutant), BODY, ENDS, rng=seeded)


@pytest.mark.parametrize("mutant", [Trusting, Endless, Curious, Lenient, Quoting, Untyping])
def test_a_mutant_is_caught_without_knowing_the_ends(mutant: type[Words]) -> None:
    recording = BODY.replace(b'data: "late"\n\n', b"")
    check_dialect(Language(Words), recording)
    with pytest.raises(AssertionError):
        check_dialect(Language(mutant), recording)


def test_a_mutant_that_passes_over_errors_is_caught(seeded: random.Random) -> None:
    body = b"data: error\n\ndata: end\n\n"
    ends = Ends(marker_at=body.index(b"end") + 3, error_at=body.index(b"error") + 5)
    check_dialect(Language(Words), body, ends, rng=seeded)
    with pytest.raises(AssertionError, match="completed is True"):
        check_dialect(Language(Deaf), body, ends, rng=seeded)


class Deadend(Language):
    """Sends nothing of what it is asked."""

    def request(self, request: GenerationRequest) -> HttpRequest:
        return HttpRequest("/", b"")


class Rude(Language):
    """Answers with what the server said."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return ProviderError(ErrorCode.SERVER, body.decode(errors="replace"), status_code=status)


@pytest.mark.parametrize(("mutant", "words"), [(Deadend, "Hello heron"), (Rude, "status 400 with")])
def test_requests_and_refusals_are_part_of_it(mutant: type[Language], words: str, seeded: random.Random) -> None:
    with pytest.raises(AssertionError, match=words):
        check_dialect(mutant(Words), BODY, ENDS, rng=seeded)


def test_what_was_put_out_before_a_cut_must_be_the_same() -> None:
    whole = decode_pieces(Language(Words), [BODY], clean=True)
    cut = decode_pieces(Language(Words), [BODY.replace(b"one", b"eno")[:20]], clean=True)
    with pytest.raises(AssertionError, match="something else"):
        check_truncated(whole, cut, ENDS, 20, clean=True)


@pytest.mark.parametrize(
    ("ends", "length", "clean", "whole"),
    [
        (Ends(), 9, True, False),
        (Ends(marker_at=5), 5, False, True),
        (Ends(marker_at=5), 4, True, False),
        (Ends(finish_at=5), 5, True, True),
        (Ends(finish_at=5), 5, False, False),
        (Ends(finish_at=5), 4, True, False),
        (Ends(finish_at=5, reopened=[(7, 9)]), 6, True, True),
        (Ends(finish_at=5, reopened=[(7, 9)]), 7, True, False),
        (Ends(finish_at=5, reopened=[(7, 9)]), 9, True, True),
        (Ends(finish_at=5, error_at=7), 6, True, True),
        (Ends(finish_at=5, error_at=7), 7, True, False),
        (Ends(marker_at=9, error_at=7), 9, True, False),
        (Ends(marker_at=5, error_at=7), 9, True, True),
        (Ends(marker_at=9, finish_at=5, error_at=7), 6, False, False),
    ],
)
def test_where_a_stream_is_whole(ends: Ends, length: int, clean: bool, whole: bool) -> None:
    assert ends.is_whole(length, clean=clean) is whole


def test_pieces() -> None:
    assert pieces_of(b"abcd", [1, 1, 3]) == [b"a", b"", b"bc", b"d"]
    assert pieces_of(b"", []) == [b""]


def test_a_body_is_cut_by_the_dialects_framing() -> None:
    language = Language(Words)
    language.framing = Framing.NDJSON
    lines = BODY.replace(b"data: ", b"")
    assert decode_pieces(language, [lines], clean=True) == decode_pieces(Language(Words), [BODY], clean=True)


def test_a_framing_that_is_not_closed_is_no_clean_end() -> None:
    language = Language(Words)
    language.framing = Framing.JSON_ARRAY
    assert decode_pieces(language, [b'["one", finish]'], clean=True).completed
    assert not decode_pieces(language, [b'["one", finish ,'], clean=True).completed
