"""The client's only I/O: requests to one server, with every failure as a typed error."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx2

from headwater.client.errors import PROBLEM_BYTES_MAX, ClientError, NetworkError, ParseError, TimedOut, refusal
from headwater.wire.sse import MEDIA_TYPE

#: Of an answer that is not a stream no more than this is read: a run's snapshot is the largest of them.
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
_TIMEOUT: Final = httpx2.Timeout(30.0, connect=10.0)
#: A stream's silence is watched by its reader, and the wait for its headers by `open`.
_STREAM_TIMEOUT: Final = httpx2.Timeout(10.0, read=None)
#: A stream keeps its connection, and a cancel must not wait for one of them to end: there are as many as are asked for.
_LIMITS: Final = httpx2.Limits(max_connections=None, max_keepalive_connections=20)


def make_http(
    base_url: str, headers: Mapping[str, str], transport: httpx2.AsyncBaseTransport | None
) -> httpx2.AsyncClient:
    """An HTTP client for one server: no redirects, no compression, and no proxy on the way to this machine itself.

    Raises `ValueError` for a URL that is not http or https with a host.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the server's address must be like http://127.0.0.1:8000")
    here = is_loopback(parts.hostname)
    # To read in whom to trust takes 40 ms, for nothing where neither TLS is spoken nor a proxy asked.
    trusts_nobody = here and parts.scheme == "http"
    return httpx2.AsyncClient(
        base_url=base_url.rstrip("/"),
        headers={"Accept-Encoding": "identity", **headers},
        transport=transport,
        timeout=_TIMEOUT,
        limits=_LIMITS,
        follow_redirects=False,
        trust_env=not here,
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if trusts_nobody else True,
    )


class Http:
    """Sends requests; what comes back is an answer with a status of 2xx, or an error is raised."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        silence_s: float | None = None,
    ) -> bytes:
        """The body of the answer. Raises `NetworkError`, `TimedOut`, `ServerError`, `ParseError`.

        `silence_s`: a server from which nothing comes for so long is dead; left out, it is 30 s.
        """
        timeout = _TIMEOUT if silence_s is None else httpx2.Timeout(10.0, read=silence_s)
        request = self._request(method, path, query, body, {"Accept": "application/json", **(headers or {})}, timeout)
        response = await self._send(request)
        try:
            return await self._read(response, ANSWER_BYTES_MAX)
        finally:
            await response.aclose()

    async def open(
        self,
        method: str,
        path: str,
        *,
        silence_s: float,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: str = MEDIA_TYPE,
    ) -> httpx2.Response:
        """An answer whose body is still to be read; its owner closes it. Its headers must come within `silence_s`.

        Raises what `call` does.
        """
        request = self._request(
            method,
            path,
            query,
            body,
            {"Accept": accept, "Cache-Control": "no-cache", **(headers or {})},
            _STREAM_TIMEOUT,
        )
        try:
            async with asyncio.timeout(silence_s):
                return await self._send(request)
        except TimeoutError:
            raise TimedOut(f"The server did not answer within {silence_s:g} s") from None

    async def close(self) -> None:
        await self._client.aclose()

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        headers: dict[str, str],
        timeout: httpx2.Timeout,
    ) -> httpx2.Request:
        # Changes are always application/json: a server refuses others, because a foreign page could send them.
        if method != "GET":
            headers.setdefault("Content-Type", "application/json")
        return self._client.build_request(
            method, path, params=dict(query) if query else None, content=body, headers=headers, timeout=timeout
        )

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._client.send(request, stream=True)
        except httpx2.HTTPError as error:
            raise self._failure(error) from error
        if response.is_success:
            return response
        try:
            body = await self._read(response, PROBLEM_BYTES_MAX)
        except (NetworkError, ParseError, TimedOut):
            # The status has come, and says enough.
            body = b""
        finally:
            await response.aclose()
        raise refusal(response.status_code, body, retry_after=response.headers.get("retry-after"))

    async def _read(self, response: httpx2.Response, bytes_max: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in response.aiter_raw():
                size += len(piece)
                if size > bytes_max:
                    raise ParseError(f"The server's answer is larger than {bytes_max} bytes")
                pieces.append(piece)
        except httpx2.HTTPError as error:
            raise self._failure(error) from error
        return b"".join(pieces)

    def _failure(self, error: httpx2.HTTPError) -> ClientError:
        where = str(self._client.base_url).rstrip("/")
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return NetworkError(f"There is no server at {where}", unreachable=True)
        if isinstance(error, httpx2.TimeoutException):
            return TimedOut(f"The server at {where} did not answer in time")
        return NetworkError(f"The connection to {where} broke")


def is_loopback(host: str) -> bool:
    """Whether a host's name is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
