"""The laws that every dialect must keep, checked on the bytes of a recorded stream.

    1. What comes out does not depend on how the bytes were cut.
    2. A stream that completes has exactly one `Finish`, as its last item; one that fails has none.
    3. A cut stream completes if and only if what is left of it is whole (PROTOCOL, "when a provider's stream is
       whole"); where it does not, it raises `ProviderError`.
    4. What a cut stream had put out is a prefix of what the uncut stream put out before its end.
    5. Every event can be encoded as a record, and comes back as it was.
    6. Frames of an unknown type change nothing; malformed JSON is a `PARSE` error; nothing that a server may send
       raises anything but `ProviderError`, or is quoted by it (`headwater.testing.hostile`).
    7. What is asked for is sent or refused, and never leads elsewhere (`headwater.testing.requests`).
    8. What a server answers with in place of a stream is understood, and not repeated (`headwater.testing.refusals`).

Where a stream is whole is for the caller to say, by other means than the decoder's: `Ends`. Without them law 3 is
that no cut stream completes that has lost a word of the answer.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from headwater.domain.event import Chunk, Reasoning, Refusal, ToolCall
from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Dialect, Finish, Item
from headwater.testing.decoding import PLAIN, Decoded, check_items, decode_pieces, framer
from headwater.testing.hostile import check_hostile
from headwater.testing.refusals import check_refusals
from headwater.testing.requests import check_requests

__all__ = [
    "PLAIN",
    "Decoded",
    "Ends",
    "check_cutting",
    "check_dialect",
    "check_truncated",
    "decode_pieces",
    "pieces_of",
]


class Ends(NamedTuple):
    """Where in a body its ends are, as lengths of the shortest prefix that holds them; None for never.

    `marker_at` is an unmistakable end marker, `finish_at` an end that also needs a clean end of the body, `error_at`
    an error of the provider's, or bytes that can not be read. In a `reopened` stretch, from the first length up to
    but not including the second, the stream is not whole although `finish_at` has been passed: more has begun.
    """

    marker_at: int | None = None
    finish_at: int | None = None
    error_at: int | None = None
    reopened: Sequence[tuple[int, int]] = ()

    def is_whole(self, length: int, *, clean: bool) -> bool:
        """Whether the first `length` bytes are a whole stream."""
        if self.error_at is not None and (self.marker_at is None or self.error_at < self.marker_at):
            if length >= self.error_at:
                return False
        elif self.marker_at is not None and length >= self.marker_at:
            return True
        if any(start <= length < stop for start, stop in self.reopened):
            return False
        return clean and self.finish_at is not None and length >= self.finish_at


def check_dialect(
    dialect: Dialect,
    recording: bytes,
    ends: Ends | None = None,
    *,
    rng: random.Random | None = None,
    cuts: int = 200,
    request: GenerationRequest = PLAIN,
) -> Decoded:
    """Holds the decoder to all laws on this body, with `cuts` random ways and places of cutting it.

    `rng` is there so that a failure can be repeated with another seed; by default every call tries the same. Returns
    what the whole body came to, for the caller to compare. Raises AssertionError for a broken law.
    """
    rng = rng or random.Random(dialect.name)
    decoded = decode_pieces(dialect, [recording], clean=True, request=request)
    check_items(decoded)
    check_cutting(dialect, recording, decoded, rng=rng, request=request)
    for length, cut_here in _at_boundaries(dialect, recording, request):
        for clean in (True, False):
            check_truncated(decoded, cut_here(clean), ends, length, clean=clean)
    for _ in range(cuts):
        length = rng.randrange(len(recording) + 1)
        for clean in (True, False):
            cut = decode_pieces(dialect, [recording[:length]], clean=clean, request=request)
            check_truncated(decoded, cut, ends, length, clean=clean)
    check_hostile(dialect, recording, rng=rng, request=request)
    check_requests(dialect, model=request.model)
    check_refusals(dialect)
    return decoded


def check_cutting(
    dialect: Dialect,
    body: bytes,
    decoded: Decoded,
    *,
    rng: random.Random,
    tries: int = 5,
    request: GenerationRequest = PLAIN,
) -> None:
    """Law 1: byte by byte, and in random pieces."""
    ways = [[body[at : at + 1] for at in range(len(body))]]
    for _ in range(tries):
        places = sorted(rng.randrange(len(body) + 1) for _ in range(rng.randrange(1, 40)))
        ways.append(pieces_of(body, places))
    for pieces in ways:
        again = decode_pieces(dialect, pieces, clean=True, request=request)
        sizes = [len(piece) for piece in pieces[:20]]
        assert again.items == decoded.items, f"other items where the pieces begin with {sizes} bytes"
        assert _kind(again) == _kind(decoded), f"another end where the pieces begin with {sizes} bytes"


def check_truncated(whole: Decoded, cut: Decoded, ends: Ends | None, length: int, *, clean: bool) -> None:
    """Laws 2 to 4, for a stream of which only `length` bytes came."""
    how = f"cut at byte {length}, {'clean' if clean else 'not clean'}"
    if ends is not None:
        expected = ends.is_whole(length, clean=clean)
        assert cut.completed is expected, f"{how}: completed is {cut.completed} ({cut.error!r})"
    elif cut.completed:
        assert _said(cut) == _said(whole), f"{how}: completed although it has lost a part of the answer"
    finishes = sum(isinstance(item, Finish) for item in cut.items)
    if not cut.completed:
        assert finishes == 0, f"{how}: failed with a finish"
        assert cut.items == whole.items[: len(cut.items)], f"{how}: put out something else than the whole stream"
    else:
        assert finishes == 1, f"{how}: {finishes} finishes"
        assert isinstance(cut.items[-1], Finish), f"{how}: the finish is not the last item"


def pieces_of(body: bytes, places: Sequence[int]) -> list[bytes]:
    """`body` cut at these places, which are in order."""
    edges = [0, *places, len(body)]
    return [body[start:stop] for start, stop in itertools.pairwise(edges)]


def _said(decoded: Decoded) -> list[Item]:
    """The answer itself, without what a provider may add once it is whole: usage, sources, what goes back to it."""
    return [item for item in decoded.items if isinstance(item, Chunk | Reasoning | Refusal | ToolCall)]


def _at_boundaries(
    dialect: Dialect, body: bytes, request: GenerationRequest
) -> Iterator[tuple[int, Callable[[bool], Decoded]]]:
    """Before the first event and after each: how many bytes came, and what becomes of the stream if it ends there.

    The end is asked of a copy, for a decoder holds the state of its stream and nothing else.
    """
    frames, decoder = framer(dialect), dialect.decoder(request)
    items: list[Item] = []
    failed: ProviderError | None = None

    def cut_here(clean: bool) -> Decoded:
        if failed is not None:
            return Decoded(list(items), failed)
        try:
            return Decoded(items + copy.deepcopy(decoder).end(clean and frames.closed), None)
        except ProviderError as error:
            return Decoded(list(items), error)

    yield 0, cut_here
    for at in range(len(body)):
        for frame in frames.feed(body[at : at + 1]):
            try:
                if failed is None:
                    items += decoder.feed(frame)
            except ProviderError as error:
                failed = error
            yield at + 1, cut_here


def _kind(decoded: Decoded) -> tuple[ErrorCode, str] | None:
    return (decoded.error.code, decoded.error.detail) if decoded.error is not None else None
