"""The bytes of one answer to items, without I/O: frames, the dialect's decoder, and the limits of both."""

from __future__ import annotations

from typing import Final, NamedTuple

from headwater.domain.event import UsageReport
from headwater.domain.message import GenerationRequest, Usage
from headwater.errors import ErrorCode, ProviderError, WireError
from headwater.providers.contract import Decoder, Dialect, Frame, Item
from headwater.providers.redact import Secret, redact
from headwater.wire.framing import frame_decoder

#: Of what went wrong only so much is told.
DETAIL_CHARS_MAX: Final = 500


class AnswerLimits(NamedTuple):
    """What one answer and one provider may take."""

    #: a picture that a model made is one line of base64
    line_bytes_max: int = 8 * 1024 * 1024
    event_bytes_max: int = 8 * 1024 * 1024
    answer_bytes_max: int = 256 * 1024 * 1024
    error_body_bytes_max: int = 64 * 1024
    #: how long a refusal's body is waited for; what came until then has to do
    error_body_s: float = 5.0
    connections_max: int = 4096


class AnswerReader:
    """The bytes of one answer to items. A failure waits in `failure` until the items before it have been given out."""

    def __init__(
        self,
        dialect: Dialect,
        request: GenerationRequest,
        limits: AnswerLimits,
        secrets: list[Secret],
        decoder: Decoder | None = None,
    ) -> None:
        self._frames = frame_decoder(
            dialect.framing, line_bytes_max=limits.line_bytes_max, event_bytes_max=limits.event_bytes_max
        )
        self._decoder = dialect.decoder(request) if decoder is None else decoder
        self._bytes_left = limits.answer_bytes_max
        self._secrets = secrets
        #: whether the dialect's end marker was seen: nothing more has to be waited for
        self.ended = self._decoder.ended
        self.failure: ProviderError | None = None

    def interim(self) -> Usage | None:
        """What was reported last of what the answer cost, where the dialect has kept it for the end."""
        usage: Usage | None = getattr(self._decoder, "interim", None)
        return usage

    def feed(self, chunk: bytes) -> list[Item]:
        """The items that these bytes completed. After a `failure` there are none."""
        if self.failure is not None:
            return []
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            self.failure = unreadable("the answer is larger than the limit")
            return []
        try:
            frames = self._frames.feed(chunk)
        except WireError as exc:
            self.failure = unreadable(exc.message)
            return []
        items, self.failure = self._decode(frames)
        fault = self._frames.fault
        if self.failure is None and fault is not None and not self.ended:
            self.failure = unreadable(fault.message)
        return items

    def end(self, clean: bool) -> list[Item]:
        """The items that were held back, `Finish` last. An answer that is not whole has a `failure`, `Truncated`."""
        items: list[Item] = []
        if clean and not self.ended:
            # Some servers leave out the last blank line. A block that can not be read was cut off and says nothing:
            # whether the answer is whole is for the dialect to say, by what came before it.
            try:
                items, failure = self._decode(self._frames.end(flush=True))
            except WireError as exc:
                self.failure = unreadable(exc.message)
                return []
            if failure is not None and failure.code is not ErrorCode.PARSE:
                self.failure = failure
                return items
        return self._finish(items, clean and self._frames.closed)

    def whole(self, body: bytes) -> list[Item]:
        """The items of an answer that came as one value and not as a stream, `Finish` last.

        `failure` is what the value says went wrong, `PARSE`, or `Truncated`. Nothing of such an answer is given out but
        what it cost: nobody has seen any of it, so it can be asked for again.
        """
        items, self.failure = self._decode([Frame(body)])
        if self.failure is None:
            # such a value says itself where it ends, whatever ended the body
            items = self._finish(items, True)
        return items if self.failure is None else [item for item in items if isinstance(item, UsageReport)]

    def _finish(self, items: list[Item], clean: bool) -> list[Item]:
        try:
            return items + self._decoder.end(clean)
        except ProviderError as exc:
            self.failure = exc
            return items

    def _decode(self, frames: list[Frame]) -> tuple[list[Item], ProviderError | None]:
        """The items of these frames, and what went wrong after them."""
        items: list[Item] = []
        decoder = self._decoder
        for frame in frames:
            if self.ended:
                break
            try:
                items += decoder.feed(frame)
                self.ended = decoder.ended
            except ProviderError as exc:
                return items, self._without_keys(exc, frame)
        return items, None

    def _without_keys(self, error: ProviderError, frame: Frame) -> ProviderError:
        text = frame.data.decode(errors="replace")
        if (redacted := redact(text, self._secrets)) != text:
            # The dialect may have cut its detail in the middle of the key: ours is made from the whole.
            error.detail = redacted[:DETAIL_CHARS_MAX]
        return error


def unreadable(detail: str) -> ProviderError:
    return ProviderError(ErrorCode.PARSE, detail=detail[:DETAIL_CHARS_MAX])
