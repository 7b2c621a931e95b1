"""A stream through a dialect's decoder without a network, from bytes or from frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from headwater.domain.event import UsageReport, decode_record, encode_record
from headwater.domain.message import GenerationRequest, Message
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Decoder, Dialect, Finish, Frame, Item
from headwater.wire.framing import FrameDecoder, frame_decoder

#: A request that asks for nothing special.
PLAIN: Final = GenerationRequest(model="model", messages=[Message("user", "Hello")])

#: More tokens than that nobody has counted, and no client could read (RFC 8259, 6).
COUNT_MAX: Final = 2**53 - 1
_COUNTS: Final = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")


class Decoded(NamedTuple):
    """What became of a stream: everything that was put out, and the error that it ended with, if it did."""

    items: list[Item]
    error: ProviderError | None

    @property
    def completed(self) -> bool:
        return self.error is None


def framer(dialect: Dialect) -> FrameDecoder:
    """What cuts a body of this dialect into frames."""
    return frame_decoder(dialect.framing)


def decode_pieces(
    dialect: Dialect, pieces: Iterable[bytes], *, clean: bool, request: GenerationRequest = PLAIN
) -> Decoded:
    """The stream of these pieces, as the network would have brought them; `clean` is how the body ended.

    A block without its blank line at the end of the body is read all the same. If it can not be, it was cut off and
    says nothing: the dialect decides by what came before.
    """
    frames, decoder = framer(dialect), dialect.decoder(request)
    items: list[Item] = []
    try:
        for piece in pieces:
            for frame in frames.feed(piece):
                items += decoder.feed(frame)
        for frame in frames.end(flush=True):
            try:
                items += decoder.feed(frame)
            except ProviderError as error:
                if error.code is not ErrorCode.PARSE:
                    raise
        items += decoder.end(clean and frames.closed)
    except ProviderError as error:
        return Decoded(items, error)
    return Decoded(items, None)


def frames_of(dialect: Dialect, body: bytes) -> list[Frame]:
    """The frames that a body holds, one that its end cut off left out."""
    return framer(dialect).feed(body)


def decode_frames(decoder: Decoder, frames: Iterable[Frame], *, clean: bool = True) -> Decoded:
    """These frames and then the end. Any other exception than `ProviderError` is the decoder's fault and passes."""
    items: list[Item] = []
    try:
        for frame in frames:
            items += decoder.feed(frame)
        items += decoder.end(clean)
    except ProviderError as error:
        return Decoded(items, error)
    return Decoded(items, None)


def check_items(decoded: Decoded) -> None:
    """One finish, last, where the stream completed and none where it failed; every event is one that can be stored."""
    finishes = [at for at, item in enumerate(decoded.items) if isinstance(item, Finish)]
    expected = [len(decoded.items) - 1] if decoded.completed else []
    assert finishes == expected, f"`Finish` is at {finishes} of {len(decoded.items)} items, and should be at {expected}"
    for seq, item in enumerate(decoded.items, 1):
        if not isinstance(item, Finish):
            try:
                record = decode_record(encode_record(seq, 0, item))
            except (TypeError, ValueError) as error:
                raise AssertionError(f"item {seq}, a {type(item).__name__}, can not be stored: {error}") from error
            assert record.event == item, f"item {seq}, a {type(item).__name__}, does not come back as it was"
        if isinstance(item, UsageReport):
            counts = [getattr(item.usage, name) for name in _COUNTS]
            assert all(0 <= count <= COUNT_MAX for count in counts), f"item {seq} counts {counts} tokens"
