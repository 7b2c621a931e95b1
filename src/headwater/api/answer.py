"""An answer that is known in whole: status, headers, body. Streams are the read half's.

Every answer of the server carries the same house headers, and is made here, so that none can forget them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import msgspec

from headwater.delivery.response import PROTOCOL

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

#: An answer of the API is data: no page may frame it, sniff a script in it, or keep it.
SAFETY_HEADERS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    # Says nothing to CORS, which an allowed origin uses; keeps others from loading it as a picture or a script.
    (b"cross-origin-resource-policy", b"same-origin"),
)

#: Where the guard leaves headers that depend on the request (CORS for an allowed origin).
GUARD_HEADERS = "headwater.guard_headers"

_encoder = msgspec.json.Encoder()


class Answer:
    """An ASGI application that sends one fixed answer."""

    __slots__ = ("body", "headers", "safety", "status")

    def __init__(
        self, status: int, body: bytes = b"", headers: Headers = (), *, safety: Headers = SAFETY_HEADERS
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.safety = safety

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [PROTOCOL, *self.safety, *self.headers, *scope.get(GUARD_HEADERS, ())]
        if not any(name == b"cache-control" for name, _ in self.headers):
            headers.append((b"cache-control", b"no-store"))
        if self.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else self.body})


def json_answer(value: object, status: int = 200, headers: Headers = ()) -> Answer:
    """`value` as JSON: a struct, or bytes that are JSON already."""
    body = value if isinstance(value, bytes) else _encoder.encode(value)
    return Answer(status, body, [(b"content-type", b"application/json"), *headers])


def no_content(headers: Headers = ()) -> Answer:
    return Answer(204, b"", headers)
