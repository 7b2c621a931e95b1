"""Who may speak to this server at all: decided from the head of a request, before any of it is acted on.

A server on loopback is reachable by every page that its user has open. Three things keep those out
(SECURITY 8–11): the Host must be a name of this server (DNS rebinding ends there), a request that a
browser made must come from this server's own pages or from an origin that the operator listed, and a
change must be JSON, which no page can send elsewhere without asking first. A stream takes every type, so there it is
the first two that keep them out: every browser tells the Origin of a POST.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import unquote

from headwater.api.answer import GUARD_HEADERS, Asgi, Headers, Receive, Scope, Send, no_content
from headwater.api.faces import refuse_for
from headwater.errors import (
    BadRequestError,
    ForbiddenError,
    MediaTypeError,
    RefusedError,
    TooLargeError,
    WrongHostError,
)

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADERS_MAX = 100
HEADER_BYTES_MAX = 32 * 1024
TARGET_BYTES_MAX = 8 * 1024

#: What is here is somebody's. The rest are the pages, and what operators and tools read.
_RESOURCE_PATHS = ("/api/", "/v1/", "/chat/")
#: But for what is a page all the same.
_PAGES = frozenset({"/chat/test", "/chat/test.css", "/chat/test.js"})
#: What a page runs or is drawn by (Fetch, 2.2.5: destinations).
_PROGRAMS = frozenset(
    {"audioworklet", "paintworklet", "script", "serviceworker", "sharedworker", "style", "worker", "xslt"}
)
#: What is put in here is of any type.
_STREAM_PATHS = "/v1/stream/"
_SDK_HEADERS = (
    b"arch",
    b"helper-method",
    b"lang",
    b"os",
    b"package-version",
    b"poll-helper",
    b"retry-count",
    b"runtime",
    b"runtime-version",
    b"timeout",
)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ALLOWED_METHODS = b"GET, HEAD, POST, PUT, DELETE"
_STREAM_HEADERS = (
    b"if-none-match, producer-epoch, producer-id, producer-seq, stream-closed, stream-expires-at, stream-fork-offset, "
    b"stream-fork-sub-offset, stream-forked-from, stream-seq, stream-ttl, "
)
_ANTHROPIC_HEADERS = b"anthropic-beta, anthropic-dangerous-direct-browser-access, anthropic-version, x-api-key, "
#: The last ones are what the SDKs of Vercel, Anthropic and OpenAI send from a browser.
_ALLOWED_HEADERS = (
    b"accept, api-key, authorization, content-type, headwater-after-output, headwater-fallback, headwater-on-crash, "
    b"headwater-on-disconnect, idempotency-key, last-event-id, user-agent, x-org-id, x-user-id, "
    + _STREAM_HEADERS
    + _ANTHROPIC_HEADERS
    + b", ".join(b"x-stainless-" + name for name in _SDK_HEADERS)
)
_EXPOSED_HEADERS = (
    b"etag, headwater-error, headwater-protocol, idempotency-replayed, location, producer-epoch, "
    b"producer-expected-seq, producer-received-seq, producer-seq, request-id, retry-after, stream-closed, "
    b"stream-cursor, stream-expires-at, stream-next-offset, stream-sse-data-encoding, stream-ttl, "
    b"stream-up-to-date, x-chat-id, x-run-id, x-session-id"
)
_PREFLIGHT_AGE_S = b"600"


#: What stays encoded in a path: slashes, and percent signs, so that what was one is told from the other.
_KEPT = re.compile("%(25|2[Ff]|(?![0-9A-Fa-f]{2}))")

#: What was sent after the head is not waited for.
_CLOSE: Headers = ((b"connection", b"close"),)


class _HeadTooLarge(TooLargeError):
    """The head itself; HTTP has a status of its own for that (RFC 6585, 431)."""


class Guard:
    """ASGI middleware. Wraps neither `receive` nor `send`, so a stream that it lets pass costs nothing more."""

    def __init__(self, app: Asgi, *, hosts: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = LOOPBACK_NAMES | {host.lower() for host in hosts}
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if b"%" in (scope.get("raw_path") or b""):
            scope["path"] = _path(scope["raw_path"])
        try:
            origin = self.check(scope)
        except RefusedError as refusal:
            status = 431 if isinstance(refusal, _HeadTooLarge) else None
            await refuse_for(scope["path"])(refusal, headers=_CLOSE, status=status)(scope, receive, send)
            return
        scope[GUARD_HEADERS] = _cors(origin, bool(self._origins))
        if scope["method"] == "OPTIONS" and origin is not None:
            await _preflight(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def check(self, scope: Scope) -> str | None:
        """Returns the foreign origin to which the answer is open, if the request has one. Raises `RefusedError`."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        _check_size(scope, headers)
        host = self._check_host(_values(headers, b"host"))
        origin = self._check_origin(scope, host, _values(headers, b"origin"))
        if origin is None:
            _check_site(scope["path"], headers)
        _check_use(scope["path"], headers)
        if scope["method"] not in _SAFE_METHODS:
            _check_media_type(headers, any_type=scope["path"].startswith(_STREAM_PATHS))
        return origin

    def _check_host(self, values: list[str]) -> str:
        if len(values) != 1:
            raise BadRequestError("A request needs exactly one Host header.")
        host = values[0].lower()
        name, colon, port = host.rpartition(":")
        if not colon or "]" in port:
            name, port = host, "0"
        if name not in self._hosts or not (port.isascii() and port.isdigit() and len(port) <= 5):
            raise WrongHostError("This server does not answer to that host name; the operator can add it.")
        return host

    def _check_origin(self, scope: Scope, host: str, values: list[str]) -> str | None:
        """None for no origin or our own; the origin where it is on the operator's list."""
        if not values:
            return None
        if len(values) > 1:
            raise ForbiddenError("A request has at most one Origin.")
        origin = values[0].lower()
        if origin == f"{scope.get('scheme', 'http')}://{host}":
            return None
        if origin in self._origins:
            return values[0]
        raise ForbiddenError("Pages of that origin may not use this server; the operator can add it.")


def _path(raw: bytes) -> str:
    """A path decoded, all but its encoded slashes: they are part of a segment and divide none (RFC 3986, 2.2).

    So two paths are equal only if their segments are; `decode_segment` decodes what is left.
    """
    return unquote(_KEPT.sub(lambda found: "%25" + (found[1] or "25"), raw.decode("ascii")))


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in headers if key == name]


def _check_size(scope: Scope, headers: list[tuple[bytes, bytes]]) -> None:
    if len(headers) > HEADERS_MAX or sum(len(key) + len(value) for key, value in headers) > HEADER_BYTES_MAX:
        raise _HeadTooLarge("The request has too many headers, or too large ones.")
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > TARGET_BYTES_MAX:
        raise _HeadTooLarge("The address is too long.")


def _check_site(path: str, headers: list[tuple[bytes, bytes]]) -> None:
    """What another site's page may cause is a person's visit to a page of ours, and nothing else.

    `same-site` is not ours either: every port of localhost is one site.
    """
    if all(site in ("same-origin", "none") for site in _lower(headers, b"sec-fetch-site")):
        return
    # Without these two it is no browser of today; a link to what is no resource of a user's is followed from anywhere.
    visits = all(mode == "navigate" for mode in _lower(headers, b"sec-fetch-mode"))
    alone = all(dest == "document" for dest in _lower(headers, b"sec-fetch-dest"))
    if _is_resource(path) or not (visits and alone):
        raise ForbiddenError("Pages of another site may not use this server.")


def _check_use(path: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Our pages run what comes from their own origin, and anybody may have put a program into a stream."""
    if _is_resource(path) and not _PROGRAMS.isdisjoint(_lower(headers, b"sec-fetch-dest")):
        raise ForbiddenError("What is here is no part of a page.")


def _is_resource(path: str) -> bool:
    return path.startswith(_RESOURCE_PATHS) and path not in _PAGES


def _lower(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.lower() for value in _values(headers, name)]


def _check_media_type(headers: list[tuple[bytes, bytes]], *, any_type: bool) -> None:
    """A body must be JSON, or of any type; a change without a body needs no type, but may not claim another.

    Bytes of any kind, of which there are none, is what aiohttp claims then; a page has to ask before it may.
    """
    if any(value.lower() != "identity" for value in _values(headers, b"content-encoding")):
        raise MediaTypeError("The body must not be compressed.")
    if any_type:
        return
    types = _values(headers, b"content-type")
    has_body = any(value != "0" for value in _values(headers, b"content-length")) or bool(
        _values(headers, b"transfer-encoding")
    )
    if not has_body and types in ([], ["application/octet-stream"]):
        return
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
        raise MediaTypeError("The Content-Type of a change must be application/json.")


def _cors(origin: str | None, listed: bool) -> Headers:
    """Nothing at all while no origin is listed: then no page elsewhere can read an answer."""
    if not listed:
        return ()
    vary = (b"vary", b"Origin")
    if origin is None:
        return (vary,)
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", _EXPOSED_HEADERS),
        vary,
    )


async def _preflight(scope: Scope, receive: Receive, send: Send) -> None:
    await no_content(
        [
            (b"access-control-allow-methods", _ALLOWED_METHODS),
            (b"access-control-allow-headers", _ALLOWED_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_AGE_S),
        ]
    )(scope, receive, send)
