"""The laws that every dialect's decoder must keep, checked on the bytes of a stream.

    1. What comes out does not depend on how the bytes were cut.
    2. A stream that completes has exactly one `Finish`, as its last item; one that fails has none.
    3. A cut stream completes if and only if what is left of it is whole (PROTOCOL, "when a provider's stream is
       whole"); where it does not, it raises `ProviderError`.
    4. What a cut stream had put out is a prefix of what the uncut stream put out before its end.
    5. Every event can be encoded as a record, and comes back as it was.

Where a stream is whole is for the caller to say, by other means than the decoder's: `Ends`.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from headwater.domain.event import decode_record, encode_record
from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Dialect, Finish, Framing, Item
from headwater.wire.sse import SSEDecoder

#: A request that asks for nothing special.
PLAIN: Final = GenerationRequest(model="model", messages=[])


class Ends(NamedTuple):
    """Where in a body its ends are, as lengths of the shortest prefix that holds them; None for never.

    `marker_at` is an unmistakable end marker, `finish_at` an end that also needs a clean end of the body, `error_at`
    an error of the provider's, or bytes that can not be read.
    """

    marker_at: int | None = None
    finish_at: int | None = None
    error_at: int | None = None

    def is_whole(self, length: int, *, clean: bool) -> bool:
        """Whether the first `length` bytes are a whole stream."""
        if self.error_at is not None and (self.marker_at is None or self.error_at < self.marker_at):
            if length >= self.error_at:
                return False
        elif self.marker_at is not None and length >= self.marker_at:
            return True
        return clean and self.finish_at is not None and length >= self.finish_at


class Decoded(NamedTuple):
    """What became of a stream: everything that was put out, and the error that it ended with, if it did."""

    items: list[Item]
    error: ProviderError | None

    @property
    def completed(self) -> bool:
        return self.error is None


def decode_pieces(
    dialect: Dialect, pieces: Iterable[bytes], *, clean: bool, request: GenerationRequest = PLAIN
) -> Decoded:
    """The stream of these pieces, as the network would have brought them; `clean` is how the body ended.

    A block without its blank line at the end of the body is read all the same. If it can not be, it was cut off and
    says nothing: the dialect decides by what came before.
    """
    if dialect.framing is not Framing.SSE:
        raise NotImplementedError(f"the framing {dialect.framing} can not be checked yet")
    sse, decoder = SSEDecoder(), dialect.decoder(request)
    items: list[Item] = []
    try:
        for piece in pieces:
            for frame in sse.feed(piece):
                items += decoder.feed(frame)
        for frame in sse.end(flush=True):
            try:
                items += decoder.feed(frame)
            except ProviderError as error:
                if error.code is not ErrorCode.PARSE:
                    raise
        items += decoder.end(clean)
    except ProviderError as error:
        return Decoded(items, error)
    return Decoded(items, None)


def check_dialect(
    dialect: Dialect,
    body: bytes,
    ends: Ends,
    *,
    rng: random.Random,
    cuts: int = 200,
    request: GenerationRequest = PLAIN,
) -> Decoded:
    """Holds the decoder to all laws on this body, with `cuts` random ways and places of cutting it.

    Returns what the whole body came to, for the caller to compare. Raises AssertionError for a broken law.
    """
    decoded = decode_pieces(dialect, [body], clean=True, request=request)
    _check_items(decoded)
    check_cutting(dialect, body, decoded, rng=rng, request=request)
    for length, cut_here in _at_boundaries(dialect, body, request):
        for clean in (True, False):
            check_truncated(decoded, cut_here(clean), ends, length, clean=clean)
    for _ in range(cuts):
        length = rng.randrange(len(body) + 1)
        for clean in (True, False):
            cut = decode_pieces(dialect, [body[:length]], clean=clean, request=request)
            check_truncated(decoded, cut, ends, length, clean=clean)
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


def check_truncated(whole: Decoded, cut: Decoded, ends: Ends, length: int, *, clean: bool) -> None:
    """Laws 2 to 4, for a stream of which only `length` bytes came."""
    how = f"cut at byte {length}, {'clean' if clean else 'not clean'}"
    assert cut.completed is ends.is_whole(length, clean=clean), f"{how}: completed is {cut.completed} ({cut.error!r})"
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


def _check_items(decoded: Decoded) -> None:
    finishes = [at for at, item in enumerate(decoded.items) if isinstance(item, Finish)]
    assert finishes == ([len(decoded.items) - 1] if decoded.completed else []), f"finishes at {finishes}"
    for seq, item in enumerate(decoded.items, 1):
        if not isinstance(item, Finish):
            record = decode_record(encode_record(seq, 0, item))
            assert record.event == item, f"item {seq} is not what its record says"


def _at_boundaries(
    dialect: Dialect, body: bytes, request: GenerationRequest
) -> Iterator[tuple[int, Callable[[bool], Decoded]]]:
    """Before the first event and after each: how many bytes came, and what becomes of the stream if it ends there.

    The end is asked of a copy, for a decoder holds the state of its stream and nothing else.
    """
    sse, decoder = SSEDecoder(), dialect.decoder(request)
    items: list[Item] = []
    failed: ProviderError | None = None

    def cut_here(clean: bool) -> Decoded:
        if failed is not None:
            return Decoded(list(items), failed)
        try:
            return Decoded(items + copy.deepcopy(decoder).end(clean), None)
        except ProviderError as error:
            return Decoded(list(items), error)

    yield 0, cut_here
    for at in range(len(body)):
        for frame in sse.feed(body[at : at + 1]):
            try:
                if failed is None:
                    items += decoder.feed(frame)
            except ProviderError as error:
                failed = error
            yield at + 1, cut_here


def _kind(decoded: Decoded) -> tuple[ErrorCode, str] | None:
    return (decoded.error.code, decoded.error.detail) if decoded.error is not None else None
