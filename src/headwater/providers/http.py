"""The only place where providers do I/O: a dialect, a base URL and a key make a provider.

`HttpProvider` is the shell around `AnswerReader`: it connects, sends, reads, and closes the socket whenever it is not
asked on. Nothing is taken on trust: no redirect is followed, no encoding is undone, and heads, lines, events and
bodies have their limits.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from email.utils import formatdate
from typing import NamedTuple

import aiohttp

from headwater import __version__
from headwater.domain.message import GenerationRequest
from headwater.errors import ConfigError, ErrorCode, ProviderError, Truncated
from headwater.providers.answer import Answer
from headwater.providers.answer_reader import DETAIL_CHARS_MAX, AnswerLimits, AnswerReader, unreadable
from headwater.providers.body import thin
from headwater.providers.contract import Decoder, Dialect, HttpRequest, Item
from headwater.providers.egress import Egress, EgressRefused, check_base_url
from headwater.providers.headers import check_headers
from headwater.providers.redact import Secret, redact, redact_bytes
from headwater.wire.framing import FRAMINGS

#: How a body can break off. (aiohttp's errors of HTTP itself are not in its own tree.)
_LOST = (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError)
#: How long the end of a body may come after the dialect's end marker.
_ENDING_S = 0.25
#: A body larger than this is written in pieces, so that the loop is not held up by copying it.
_PIECE_BYTES = 256 * 1024


class Auth(NamedTuple):
    """How a key is shown to a server, and where it comes from."""

    key: Secret | None = None
    #: the environment variable that should hold the key; with no key that is an error of each call
    env: str | None = None
    header: str = "Authorization"
    prefix: str = "Bearer "

    def headers(self) -> dict[str, str]:
        return {} if self.key is None else {self.header: self.prefix + self.key.reveal()}


class HttpProvider:
    """One server, spoken to in one dialect. Keeps a pool of connections, opened by the first call."""

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        *,
        base_url: str,
        auth: Auth | None = None,
        egress: Egress | None = None,
        limits: AnswerLimits | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`headers` are the operator's. Raises `ConfigError` for them or for a base URL that must not be called."""
        if dialect.framing not in FRAMINGS:
            raise ConfigError(f"The framing `{dialect.framing}` of `{dialect.name}` is not spoken by this version.")
        self.name = name
        #: whether `stream` can be asked for an answer in one piece
        self.answers_whole = bool(getattr(dialect, "answers_whole", False))
        self._dialect = dialect
        self._auth = auth or Auth()
        self._headers = dict(headers or {})
        check_headers(self._headers, self._auth.header)
        self._egress = egress or Egress()
        self._limits = limits or AnswerLimits()
        self._base_url = check_base_url(base_url, allow_private=self._egress.allow_private, hosts=self._egress.hosts)
        self._secrets = [self._auth.key] if self._auth.key is not None else []
        self._session: aiohttp.ClientSession | None = None
        self._ending: dict[aiohttp.ClientResponse, asyncio.TimerHandle] = {}
        self._closed = False

    def check(self, request: GenerationRequest) -> None:
        """Refuses what the server can not do, before anything is sent. Raises `RefusedError`."""
        self._dialect.request(request)

    def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        """As `Provider.stream`. An answer that ends before it is whole is `Truncated`, whatever ended it."""
        return self._answer(lambda: self._dialect.request(request), request, connect_s)

    def _answer(
        self,
        wanted: Callable[[], HttpRequest],
        request: GenerationRequest,
        connect_s: float | None,
        decoder: Decoder | None = None,
    ) -> Answer:
        """What is answered to `wanted`, as the answer to a request; what can not be asked for is raised by it."""
        return Answer(lambda answer: self._items(answer, wanted, request, connect_s, decoder))

    async def _items(
        self,
        answer: Answer,
        wanted: Callable[[], HttpRequest],
        request: GenerationRequest,
        connect_s: float | None,
        decoder: Decoder | None,
    ) -> AsyncGenerator[list[Item], None]:
        try:
            response = await self._send(wanted(), connect_s, answer.was_sent)
            answer.was_answered()
            try:
                if not 200 <= response.status < 300:
                    raise await self._refusal(response)
                is_stream = self._is_stream(response)
                yield []
                self._check_encoding(response)
                reader = AnswerReader(self._dialect, request, self._limits, self._secrets, decoder)
                answer.interim = reader.interim
                if not is_stream:
                    if items := reader.whole(await self._whole_body(response)):
                        yield items
                    if reader.failure is not None:
                        raise reader.failure
                    return
                content = response.content
                cut = ""
                chunk = b"begin"
                while chunk and not cut and not reader.ended:
                    try:
                        chunk = await content.readany()
                    except _LOST as exc:
                        # What arrived before the loss while nobody was reading; aiohttp's public reads would drop it.
                        chunk, cut = content._read_nowait(-1), _words(exc)
                    if chunk and (items := reader.feed(chunk)):
                        yield items
                    if reader.failure is not None:
                        raise reader.failure
                last = reader.end(not cut and _is_framed(response))
                if isinstance(reader.failure, Truncated):
                    reader.failure.detail = "; ".join(filter(None, (reader.failure.detail, cut)))
                if reader.ended:
                    self._let_end(response)
            finally:
                if response not in self._ending:
                    await close_response(response)
            if last:
                yield last
            if reader.failure is not None:
                raise reader.failure
        except ProviderError as exc:
            raise self._cleaned(exc) from None

    async def close(self) -> None:
        """Closes the pool. Calls that are still running end with `NETWORK`, or as `Truncated`."""
        self._closed = True
        for response in list(self._ending):
            self._give_up(response)
        if self._session is not None:
            await self._session.close()
            self._session = None

    # Sending.

    async def _send(
        self, wanted: HttpRequest, connect_s: float | None, was_sent: Callable[[], object] = lambda: None
    ) -> aiohttp.ClientResponse:
        if self._closed:
            raise ProviderError(ErrorCode.DRAINING)
        if self._auth.env is not None and self._auth.key is None:
            raise ProviderError(ErrorCode.AUTH, f"The server has no key for this model: `{self._auth.env}` is not set.")
        headers = {
            **self._headers,
            **wanted.headers,
            "Accept-Encoding": "identity",
            "Content-Length": str(len(wanted.body)),
            "User-Agent": f"headwater/{__version__}",
            **self._auth.headers(),
        }
        try:
            return await self._pool().request(
                wanted.method,
                self._base_url + wanted.path,
                data=_Body(wanted.body, was_sent) if wanted.body else None,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, ceil_threshold=3_600),
            )
        except TimeoutError as exc:
            # The kernel's own ETIMEDOUT is a TimeoutError too; only the first is a limit of ours.
            if not isinstance(exc, aiohttp.ServerTimeoutError):
                raise _unreachable(exc) from None
            raise ProviderError(
                ErrorCode.TIMEOUT, "The model's server could not be connected to in time.", phase="connect"
            ) from None
        except aiohttp.ClientResponseError as exc:
            raise unreadable(f"not HTTP: {_gist(exc.message)}") from None
        except (aiohttp.ClientError, OSError) as exc:
            raise _unreachable(exc) from None

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._egress.connector(self._limits.connections_max),
                cookie_jar=aiohttp.DummyCookieJar(),
                response_class=_Response,
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    # Answers that are not streams.

    async def _refusal(self, response: aiohttp.ClientResponse) -> ProviderError:
        if 300 <= response.status < 400:
            location = self._shown(response.headers.get("Location", ""), 200)
            return ProviderError(
                ErrorCode.SERVER,
                "The model's server redirects, which is never followed.",
                detail=f"{response.status} to {location}: set base_url to where the server is",
                status_code=response.status,
                retryable=False,
            )
        body = await self._body(response) if not _encodings(response) else b""
        headers = {name: redact(value, self._secrets) for name, value in response.headers.items()}
        if "Date" not in response.headers:
            # A wish to wait until a certain time counts from it; a recipient with a clock adds it (RFC 9110, 6.6.1).
            headers["Date"] = formatdate(usegmt=True)
        return self._dialect.error(response.status, headers, redact_bytes(body, self._secrets))

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """The beginning of a small body: as much as the limits allow, and as came."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.error_body_s):
                while len(body) < self._limits.error_body_bytes_max and (chunk := await response.content.readany()):
                    body += chunk
        except _LOST:
            # Too slow (a TimeoutError is an OSError) or cut off: what came is what there is to say.
            pass
        return bytes(body[: self._limits.error_body_bytes_max])

    def _check_encoding(self, response: aiohttp.ClientResponse) -> None:
        """Refuses a body that is compressed although that was not asked for: a small one may become any size."""
        if encodings := _encodings(response):
            words = self._shown(", ".join(encodings), 100)
            raise unreadable(f"the body came as {words}, which was not asked for")

    def _is_stream(self, response: aiohttp.ClientResponse) -> bool:
        """Whether a stream follows; False for one JSON value: an error, or the whole answer of a server that does
        not stream. Raises `PARSE` for anything else.
        """
        named = response.headers.get("Content-Type", "").partition(";")[0].strip()
        media_type = named.lower()
        if media_type in FRAMINGS[self._dialect.framing].media_types:
            return True
        if media_type == "application/json":
            return False
        raise unreadable(f"the body is {self._shown(named, 100)}, not a stream")

    async def _whole_body(self, response: aiohttp.ClientResponse) -> bytes:
        """A body that is no stream; how long it takes is for the run to limit. Raises `Truncated` for one cut off."""
        body = bytearray()
        try:
            while chunk := await response.content.readany():
                body += chunk
                if len(body) > self._limits.event_bytes_max:
                    raise unreadable("the answer is larger than the limit")
        except _LOST as exc:
            raise Truncated(detail=_words(exc)) from None
        return bytes(body)

    # Ends.

    def _let_end(self, response: aiohttp.ClientResponse) -> None:
        """Leaves what follows the dialect's end marker to the loop, while the call is already over.

        Nearly always that is the body's own end, a moment later, and the connection goes back to the pool.
        """
        if response.connection is not None:
            loop = asyncio.get_running_loop()
            self._ending[response] = loop.call_later(_ENDING_S, self._give_up, response)
            response.content.on_eof(functools.partial(self._has_ended, response))

    def _has_ended(self, response: aiohttp.ClientResponse) -> None:
        if (timer := self._ending.pop(response, None)) is not None:
            timer.cancel()

    def _give_up(self, response: aiohttp.ClientResponse) -> None:
        self._has_ended(response)
        connection = response.connection
        transport = connection.transport if connection is not None else None
        response.close()
        if transport is not None:
            transport.abort()

    def _shown(self, text: str, chars: int) -> str:
        """The beginning of what a server said: without its key first, of which a cut would leave the beginning."""
        return redact(text, self._secrets)[:chars]

    def _cleaned(self, error: ProviderError) -> ProviderError:
        """The error with this provider's name and without its key."""
        error.provider = error.provider or self.name
        error.detail = redact(error.detail, self._secrets)
        error.message = redact(error.message, self._secrets)
        error.args = (error.message,)
        return error


class _Response(aiohttp.ClientResponse):
    """An answer that leaves nobody waiting for a connection that is gone, and no connection that nobody waits for."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        closed = protocol.closed if protocol is not None else None
        if closed is not None:
            # once, however many answers come over it
            closed.remove_done_callback(_ask_why)
            closed.add_done_callback(_ask_why)
        try:
            await super().start(connection)
        except BaseException:
            await _abort(connection)
            raise
        if closed is not None:
            self._hear_of(closed)
        thin(self.content)
        return self

    def _hear_of(self, closed: asyncio.Future[None]) -> None:
        """Ends the body when its connection is gone.

        On a malformed chunk aiohttp (3.14) closes the connection without a word to whoever reads the body.
        """
        content = self.content

        def tell(_: object) -> None:
            if not content.is_eof() and content.exception() is None:
                content.set_exception(aiohttp.ClientPayloadError("the connection was closed within the body"))

        def forget() -> None:
            # The connection may outlive this answer by many others.
            closed.remove_done_callback(tell)

        closed.add_done_callback(tell)
        content.on_eof(forget)


class _Body(aiohttp.payload.Payload):
    """A request's body, which tells when the last of it was written.

    Of a type that aiohttp takes as it is: how to send an iterator is looked up for each.
    """

    def __init__(self, body: bytes, was_sent: Callable[[], object]) -> None:
        super().__init__(body)
        self._size = len(body)
        self._was_sent = was_sent

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value, encoding, errors)

    async def write(self, writer: aiohttp.abc.AbstractStreamWriter) -> None:
        # aiohttp makes some calls again by itself, where a body can be sent again: that is not for it to decide
        self._consumed = True
        body = self._value
        for start in range(0, len(body), _PIECE_BYTES):
            await writer.write(body[start : start + _PIECE_BYTES])
        self._was_sent()


async def close_response(response: aiohttp.ClientResponse) -> None:
    """Closes the connection unless its answer has been read to the end; a task that is cancelled closes it too."""
    if response.connection is not None:
        await _abort(response.connection)
    response.close()


async def _abort(connection: aiohttp.connector.Connection) -> None:
    protocol, transport = connection.protocol, connection.transport
    closed = protocol.closed if protocol is not None else None
    connection.close()
    if transport is None or closed is None:
        return
    # `close` alone would first wait until what is written has been sent, which a peer that stalls never lets happen.
    transport.abort()
    await asyncio.wait([closed])
    _ask_why(closed)


def _ask_why(closed: asyncio.Future[None]) -> None:
    """Asks how a connection ended, which is how asyncio knows that somebody has seen it."""
    if not closed.cancelled():
        closed.exception()


def _is_framed(response: aiohttp.ClientResponse) -> bool:
    """Whether the body's end can be told from a cut: by chunks or by its length (RFC 9112, 6.3)."""
    return "Transfer-Encoding" in response.headers or "Content-Length" in response.headers


def _encodings(response: aiohttp.ClientResponse) -> list[str]:
    """The encodings that a body came in and that were not asked for."""
    named = [*response.headers.getall("Content-Encoding", ()), *response.headers.getall("Transfer-Encoding", ())]
    words = [word.strip() for each in named for word in each.split(",")]
    return [word for word in words if word.lower() not in {"", "identity", "chunked"}]


def _unreachable(exc: Exception) -> ProviderError:
    cause = getattr(exc, "os_error", exc)
    if isinstance(cause, EgressRefused):
        return ProviderError(
            ErrorCode.NETWORK,
            "This model's address is one that the server does not call.",
            detail=str(cause),
            retryable=False,
        )
    # A certificate that is wrong now is wrong on the next try.
    retryable = (
        False if isinstance(exc, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError) else None
    )
    return ProviderError(ErrorCode.NETWORK, detail=_words(exc), retryable=retryable)


def _words(exc: Exception) -> str:
    said = _gist(exc.message) if isinstance(exc, aiohttp.http.HttpProcessingError) else str(exc)
    return f"{type(exc).__name__}: {said}"[:DETAIL_CHARS_MAX]


def _gist(message: str) -> str:
    """What aiohttp's parser says without the bytes that it quotes, which are the answer's."""
    return message.partition(":")[0]
