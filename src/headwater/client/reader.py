"""Reads one connection's stream. It does not reconnect: see `headwater.client.subscription` for that."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Literal, Protocol, TypedDict, overload

from headwater.client.errors import Cancelled as ReadingCancelled
from headwater.client.errors import ClientError, NetworkError, ParseError, RunFailed, TimedOut
from headwater.client.forms import Form, settle
from headwater.domain.event import Cancelled, Complete, Error, Record, is_final
from headwater.errors import WireError
from headwater.wire.ndjson import NDJSONDecoder
from headwater.wire.sse import MEDIA_TYPE, Frame, SSEDecoder

#: An event above this is refused. A record has at most 256 KiB; other people's servers send larger ones.
EVENT_BYTES_MAX: Final = 4 * 1024 * 1024
NDJSON_MEDIA_TYPE: Final = "application/x-ndjson"

DataCallback = Callable[[Record], Awaitable[None] | None]
ErrorCallback = Callable[[ClientError], Awaitable[None] | None]
CompleteCallback = Callable[[Complete | Cancelled], Awaitable[None] | None]


class Callbacks(TypedDict, total=False):
    """What to call as a stream is read; each may be an ordinary or an async function, and each may be left out."""

    data: DataCallback
    error: ErrorCallback
    complete: CompleteCallback


class StreamedResponse(Protocol):
    """What is read of a response whose body has not been read: httpx2's, or httpx's."""

    @property
    def headers(self) -> Mapping[str, str]: ...
    def aiter_raw(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class StreamReader:
    """The events of one streaming response, in the framing of its kind: see `SSEStreamReader`, `NDJSONStreamReader`.

    Listeners (`on`) are called in order, and exactly one of `error` and `complete` is called, last. The stream is read
    once, by `read_events` or by `read_to_completion`, and the response is closed when that ends, however it ends.

    `silence_s`: a connection on which nothing comes for so long, no heartbeat either, counts as dead (`TimedOut`); the
    time that the caller takes between two events does not count. None waits for ever.
    """

    def __init__(
        self,
        response: StreamedResponse,
        decoder: SSEDecoder | NDJSONDecoder,
        media_type: str,
        *,
        silence_s: float | None = None,
    ) -> None:
        self._response = response
        self._silence_s = silence_s
        self._decoder = decoder
        self._media_type = media_type
        self._listeners: dict[str, list[Callable[[Any], Awaitable[None] | None]]] = {}
        self._started = False
        self._cancelled = False
        self._wait: asyncio.Timeout | None = None
        self._last_byte_at: float | None = None
        #: whether the stream is being read now
        self.is_streaming = False
        #: of the body, heartbeats and framing included
        self.bytes_received = 0
        #: records, heartbeats not included
        self.events_received = 0
        #: whether the body came to the end that HTTP says it has
        self.whole = False
        #: settled by the stream's first data
        self.form: Form | None = None

    @property
    def retry_ms(self) -> int | None:
        """The reconnection time that the server asked for, in a framing that can say one."""
        return None

    @property
    def last_byte_at(self) -> float | None:
        """When anything last came, a heartbeat too, by the loop's clock in seconds; None before the first byte."""
        return self._last_byte_at

    @overload
    def on(self, event: Literal["data"], callback: DataCallback) -> Callable[[], None]: ...
    @overload
    def on(self, event: Literal["error"], callback: ErrorCallback) -> Callable[[], None]: ...
    @overload
    def on(self, event: Literal["complete"], callback: CompleteCallback) -> Callable[[], None]: ...
    def on(
        self, event: Literal["data", "error", "complete"], callback: Callable[[Any], Awaitable[None] | None]
    ) -> Callable[[], None]:
        """Calls `callback` from now on; the function that comes back takes it away again.

        `data` gets each record, `complete` the final event of a run that completed or was cancelled, `error` the
        `ClientError` that ends the reading: `RunFailed` where the run itself failed.
        """
        if event not in ("data", "error", "complete"):
            raise ValueError(f"there is no event {event!r}: it is data, error or complete")
        listeners = self._listeners.setdefault(event, [])
        listeners.append(callback)

        def off() -> None:
            if callback in listeners:
                listeners.remove(callback)

        return off

    async def read_events(self) -> AsyncGenerator[Record, None]:
        """The records as they come; ends after the final one.

        Raises `NetworkError` when the connection broke or ended before the final record, `TimedOut` after `silence_s`,
        `ParseError` for what can not be read, `Cancelled` after `cancel`. A run that failed is no error here: its
        `error` record is the last that comes.
        """
        if self._started:
            raise RuntimeError("a stream is read once; a new response needs a new reader")
        self._started = self.is_streaming = True
        records = self._records()
        try:
            async for record in records:
                self.events_received += 1
                await self._tell("data", record)
                if not is_final(record.event):
                    yield record
                    continue
                # Told before it is given, for a caller may leave its loop at the final record.
                self.is_streaming = False
                await self._tell_end(record)
                yield record
                return
            raise NetworkError("The connection ended before the run did")
        except ClientError as error:
            self.is_streaming = False
            await self._tell("error", error)
            raise
        finally:
            self.is_streaming = False
            await records.aclose()

    async def read_to_completion(self, callbacks: Callbacks | None = None) -> Complete | Cancelled:
        """Reads to the end, calling `callbacks` (beside any listeners), and gives the final event.

        Raises what `read_events` does, and `RunFailed` for a run that failed.
        """
        for name, callback in (callbacks or {}).items():
            self.on(name, callback)  # type: ignore[call-overload]  # a TypedDict's items lose which is which
        events = self.read_events()
        final: object = None
        try:
            async for record in events:
                final = record.event
        finally:
            await events.aclose()
        if isinstance(final, Error):
            raise RunFailed(final)
        assert isinstance(final, Complete | Cancelled), "read_events ends after a final record only"
        return final

    async def cancel(self) -> None:
        """Stops reading: whoever reads gets `Cancelled`, and the connection is closed. The run goes on."""
        self._cancelled = True
        if self._wait is not None:
            self._wait.reschedule(asyncio.get_running_loop().time())
        elif not self.is_streaming:
            await self._response.aclose()

    async def _records(self) -> AsyncGenerator[Record, None]:
        batches = self._batches()
        try:
            async for frames in batches:
                for frame in frames:
                    if self.form is None:
                        self.form = settle(frame)
                    for record in self.form.read(frame):
                        if self._cancelled:
                            raise ReadingCancelled("Reading was cancelled")
                        yield record
            for record in self.form.end() if self.form is not None else ():
                yield record
        finally:
            await batches.aclose()

    async def _batches(self) -> AsyncGenerator[list[Frame], None]:
        """The frames that came together, over and over, to the body's clean end."""
        self._check_head()
        chunks = self._response.aiter_raw()
        assert isinstance(chunks, AsyncGenerator)
        try:
            while (chunk := await self._next(chunks)) is not None:
                self.bytes_received += len(chunk)
                yield self._decoder.feed(chunk)
                if self._decoder.fault is not None:
                    break
            self._decoder.end()
            self.whole = True
        except WireError as error:
            raise ParseError(error.message) from error
        finally:
            await chunks.aclose()
            await self._response.aclose()

    def _check_head(self) -> None:
        headers = self._response.headers
        if headers.get("content-type", "").partition(";")[0].strip().lower() != self._media_type:
            raise ParseError("The server's answer is not the stream that was asked for")
        # Never asked for, and a few bytes could unpack to any number of them.
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise ParseError("The server's answer is compressed, which was not asked for")

    async def _next(self, chunks: AsyncGenerator[bytes, None]) -> bytes | None:
        """The next bytes, None at the body's end."""
        if self._cancelled:
            raise ReadingCancelled("Reading was cancelled")
        try:
            async with asyncio.timeout(self._silence_s) as self._wait:
                chunk = await anext(chunks, None)
        except TimeoutError:
            # `cancel` turns the timer's hand to now: one way out of the wait, whatever the transport.
            if self._cancelled:
                raise ReadingCancelled("Reading was cancelled") from None
            raise TimedOut(f"Nothing came from the server for {self._silence_s:g} s, no heartbeat either") from None
        except (ClientError, RuntimeError):
            # Of a transport of our own, or the caller's fault: the body was read before, or is read by somebody else.
            raise
        except Exception as error:
            # Nothing but the transport's own code runs here, and each has errors of its own.
            raise NetworkError() from error
        finally:
            self._wait = None
        self._last_byte_at = asyncio.get_running_loop().time()
        return chunk

    async def _tell(self, event: str, value: object) -> None:
        for callback in list(self._listeners.get(event, ())):
            answer = callback(value)
            if inspect.isawaitable(answer):
                await answer

    async def _tell_end(self, last: Record) -> None:
        if isinstance(last.event, Error):
            await self._tell("error", RunFailed(last.event))
        else:
            await self._tell("complete", last.event)


class SSEStreamReader(StreamReader):
    """An event stream (`text/event-stream`): a response of httpx2 or httpx whose body has not been read.

        async with http.stream("GET", url) as response:
            async for record in SSEStreamReader(response).read_events():
                …

    `event_bytes_max` bounds one event's data; a larger one is a `ParseError`. `comments`: `read_frames` gives the
    comments, too.
    """

    def __init__(
        self,
        response: StreamedResponse,
        *,
        silence_s: float | None = None,
        event_bytes_max: int = EVENT_BYTES_MAX,
        comments: bool = False,
    ) -> None:
        self._sse = SSEDecoder(line_bytes_max=event_bytes_max, event_bytes_max=event_bytes_max, keep_comments=comments)
        super().__init__(response, self._sse, MEDIA_TYPE, silence_s=silence_s)

    @property
    def retry_ms(self) -> int | None:
        """The reconnection time that the server asked for."""
        return self._sse.retry_ms

    @property
    def last_event_id(self) -> str:
        """What a reconnection sends as `Last-Event-ID`; "" for none."""
        return self._sse.last_event_id

    async def read_frames(self) -> AsyncGenerator[Frame | str, None]:
        """The events as they stand on the wire, of any server: their `data` is not looked into, and nothing is counted.

        A comment is a `str`, where they were asked for. Ends with the body; raises what `read_events` does.
        """
        if self._started:
            raise RuntimeError("a stream is read once; a new response needs a new reader")
        self._started = self.is_streaming = True
        batches = self._batches()
        try:
            async for frames in batches:
                for item in self._with_comments(frames):
                    if self._cancelled:
                        raise ReadingCancelled("Reading was cancelled")
                    yield item
        finally:
            self.is_streaming = False
            await batches.aclose()

    def _with_comments(self, frames: list[Frame]) -> list[Frame | str]:
        items: list[Frame | str] = [*frames]
        comments = self._sse.kept_comments or []
        for place, comment in enumerate(comments):
            items.insert(comment.before + place, comment.text)
        comments.clear()
        return items


class NDJSONStreamReader(StreamReader):
    """A record a line (`application/x-ndjson`); otherwise as `SSEStreamReader`."""

    def __init__(
        self,
        response: StreamedResponse,
        *,
        silence_s: float | None = None,
        event_bytes_max: int = EVENT_BYTES_MAX,
    ) -> None:
        super().__init__(
            response, NDJSONDecoder(value_bytes_max=event_bytes_max), NDJSON_MEDIA_TYPE, silence_s=silence_s
        )
