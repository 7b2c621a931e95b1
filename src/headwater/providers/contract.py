"""What a provider and a dialect promise. A dialect is what a third party writes: pure, a page long.

Providers put out lists of items, each list being what arrived together (one read of the socket):
whoever numbers and stores them can then take them as one piece.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from headwater.domain.event import Event, FinishReason, ProviderData
from headwater.domain.message import GenerationRequest
from headwater.errors import ProviderError
from headwater.wire import framing, sse


class HttpRequest(NamedTuple):
    """What a dialect wants sent. `path` is joined to the base URL; the key is added by `http`, not here."""

    path: str
    body: bytes = b""
    method: str = "POST"
    headers: Mapping[str, str] = {}


#: One frame of a provider's stream: an SSE block's event name and data, or one JSON value as data. It is the SSE
#: decoder's own type, so that the framing which nearly every provider uses costs no conversion.
Frame = sse.Frame
#: How a body is cut into frames: `sse`, `json_array` or `ndjson`.
Framing = framing.Framing


class Finish(msgspec.Struct, frozen=True):
    """The provider's own end of a call, reached and whole. Not an event of the log."""

    reason: FinishReason
    #: the provider's own word for it
    raw: str = ""


Item = Event | Finish


class Decoder(Protocol):
    """Turns the frames of one stream into events. Holds the state of that stream and nothing else.

    One whose provider reports usage again and again, and that keeps these reports to itself until the end, also has
    `interim: Usage | None`, the newest that it has not put out: what a stream that is cut came to until then.
    """

    def feed(self, frame: Frame) -> list[Item]:
        """The events of one frame. An unknown type of frame gives none; malformed JSON raises `ProviderError` PARSE."""
        ...

    def end(self, clean: bool) -> list[Item]:
        """What was still held back, the last item being `Finish`, which comes exactly once over all calls.

        `clean` says that the body ended as HTTP promised. Raises `Truncated` where the stream is not whole.
        """
        ...

    @property
    def ended(self) -> bool:
        """Whether an unmistakable end marker was seen, so that nothing has to be waited for."""
        ...


class Dialect(Protocol):
    """A provider's language. Laws: no I/O and no clock; what comes out does not depend on how bytes were cut.

    One that also has `answers_whole = True` heeds `request.stream`: where that is False it asks for one JSON value,
    which its decoder is then fed as a single frame. A provider that can not stream is asked so in the end.
    """

    name: str
    framing: Framing

    def request(self, request: GenerationRequest) -> HttpRequest:
        """The provider's form of a request. Raises `UnsupportedError` for what it can not do."""
        ...

    def decoder(self, request: GenerationRequest) -> Decoder: ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What a refusal means. `body` may be anything, cut off too."""
        ...


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place in an answer that goes on at its provider's, by which the stream can be asked for again.

    It covers all that its call had put out before it. Its JSON form is the value of a `provider_data` event.
    """

    #: the provider's name for the answer
    response_id: str
    #: of the provider's last event that is covered
    sequence_number: int
    #: items of the answer that were whole until then
    items: int = 0
    #: parts of text, and tool calls, that were put out until then: what comes is numbered on from there
    parts: int = 0
    tool_calls: int = 0


@runtime_checkable
class Reattachable(Dialect, Protocol):
    """A dialect whose provider can go on with an answer when nobody listens, and be asked for the rest of it.

    An answer that was asked for by `in_background` has checkpoints among its events. A decoder that resumes at one
    puts out what the first decoder put out after it, event for event, and then what is new. Providers forget such an
    answer after some minutes.
    """

    def in_background(self, request: GenerationRequest) -> GenerationRequest:
        """The same request, its answer to go on without us. Raises `UnsupportedError` where the server can not."""
        ...

    def checkpoint(self, event: ProviderData) -> Checkpoint | None:
        """What the event says, if it is a checkpoint of this server's."""
        ...

    def reattach(self, checkpoint: Checkpoint) -> HttpRequest:
        """Asks for the events after a checkpoint; the answer is a stream like any other."""
        ...

    def resume(self, request: GenerationRequest, checkpoint: Checkpoint) -> Decoder:
        """The decoder of that stream."""
        ...

    def cancel(self, checkpoint: Checkpoint) -> HttpRequest:
        """Stops the answer at the provider's. Asking twice does no harm; what is answered says nothing to us."""
        ...


class ModelInfo(NamedTuple):
    """A model that can be called, by the name that callers use."""

    name: str
    provider: str
    #: the name that the provider knows it by
    model: str
    capabilities: Sequence[str] = ()
    #: the variable of the environment that its key is to be in, where that is not set: no call can succeed then
    missing_key: str | None = None


class Silence(NamedTuple):
    """How long a model may put out nothing, in seconds; None is for ever. A run's own limits come before these."""

    first_token_s: float | None = None
    idle_s: float | None = None


class Provider(Protocol):
    """Calls models. Stateless between calls but for its connections."""

    name: str

    def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        """One call: lists of items as they arrive, exactly one `Finish` last, or raises `ProviderError`.

        An empty list says that the provider answered (its headers came) and has put nothing out yet.
        Never retries after its first output. Closing the iterator (`aclose`) closes the socket before
        it returns. `connect_s` limits resolving and connecting; other limits are the caller's.
        """
        ...

    async def close(self) -> None: ...


@runtime_checkable
class BackgroundProvider(Provider, Protocol):
    """A provider whose dialect is `Reattachable`: its answers can go on when nobody listens, and be asked for again."""

    def stream_in_background(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        """As `stream`, but that closing the iterator leaves the answer going; its checkpoints are among the items."""
        ...

    def reattach(
        self, request: GenerationRequest, checkpoint: Checkpoint, *, connect_s: float | None
    ) -> AsyncIterator[list[Item]]:
        """The rest of an answer, from after the checkpoint on; as `stream_in_background`."""
        ...

    async def stop(self, checkpoint: Checkpoint) -> None:
        """Stops an answer where it is made. One that has ended, or is not known any more, is left as it is.

        Raises `ProviderError` where it may go on.
        """
        ...
