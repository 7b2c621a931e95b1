"""How a caller shows a key, and what it then may do: the one place where every resource asks.

Each of the headers that SDKs have for a key will do, and a cookie for pages, whose EventSource and WebSocket send
nothing else. A key in an address would be written down by proxies and histories, and is looked for nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from headwater.admission.key_ring import KeyRing, Visit
from headwater.api.answer import Scope
from headwater.delivery.connection import connection_of
from headwater.domain.run import Owner
from headwater.errors import AuthError

COOKIE: Final = "headwater_key"
#: Where the visit is left in the scope for the handler.
VISIT: Final = "headwater.visit"
#: What a 401 says beside its body (RFC 9110, 11.6.1).
CHALLENGE: Final = (b"www-authenticate", b"Bearer")

_BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def shown_key(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The key that a request shows; a header counts before the cookie, which a browser sends unasked.

    Raises `AuthError` where there is none, or several that differ.
    """
    in_headers, in_cookies = set[str](), set[str]()
    for name, raw in headers:
        if name == b"authorization":
            # Another scheme is for a proxy before us.
            if (bearer := _BEARER.fullmatch(_text(raw))) is not None:
                in_headers.add(bearer[1])
        elif name in (b"x-api-key", b"api-key"):
            in_headers.add(_text(raw))
        elif name == b"cookie":
            in_cookies.update(_cookies(_text(raw)))
    shown = in_headers or in_cookies
    if not shown:
        raise AuthError("This server asks for a key: `Authorization: Bearer hw_…`.")
    if len(shown) > 1:
        raise AuthError("The request shows several keys.")
    return shown.pop()


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()


def _cookies(header: str) -> Iterator[str]:
    for pair in header.split(";"):
        name, _, value = pair.partition("=")
        if name.strip() == COOKIE:
            yield value.strip()


@contextmanager
def admitted(scope: Scope, ring: KeyRing | None) -> Iterator[None]:
    """Lets a request in by its key, for as long as it is answered; without a ring everybody. Raises `AuthError`."""
    if ring is None:
        yield
        return
    key = ring.find(shown_key(scope["headers"]))
    visit = scope[VISIT] = ring.enter(key, connection_of(scope).abort)
    try:
        yield
    finally:
        ring.leave(visit)


def visit_in(scope: Scope) -> Visit | None:
    """The request's visit; None where no key is asked for."""
    found: Visit | None = scope.get(VISIT)
    return found


def owner_by_key(scope: Scope) -> Owner | None:
    """Whose key the request shows; None where no key is asked for."""
    visit = visit_in(scope)
    return None if visit is None else visit.key.owner
