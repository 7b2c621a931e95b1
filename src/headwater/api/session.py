"""`/api/v1/session`: a page signs in with a key, and from then on its browser shows it.

The cookie is the key itself: out of reach of scripts, sent to no other site, gone with the browser's session, and over
with the key. A server that is reached over TLS asks for it to be sent over nothing else.
"""

from __future__ import annotations

from typing import Final

import msgspec

from headwater.api.answer import Asgi, json_answer, no_content
from headwater.api.key_access import COOKIE, visit_in
from headwater.api.parameters import format_time
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.domain.run import Owner
from headwater.errors import ConflictError

_ATTRIBUTES: Final = "Path=/; HttpOnly; SameSite=Strict"


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str


class SessionKey(msgspec.Struct, frozen=True):
    """The key by which the caller is here, without what it is shown by."""

    id: str
    name: str
    expires_at: str | None


class Session(msgspec.Struct, frozen=True):
    """Who the caller is. `key` is null where the server asks for none."""

    owner: Owner
    key: SessionKey | None


async def show_session(call: Call) -> Asgi:
    visit = visit_in(call.scope)
    if visit is None:
        return json_answer(Session(call.owner, None))
    key = visit.key
    expires_at = None if key.expires_at_ms is None else format_time(key.expires_at_ms)
    return json_answer(Session(call.owner, SessionKey(key.id, key.name, expires_at)))


async def sign_in(call: Call) -> Asgi:
    ring, shown = call.services.keys, call.body.key.strip()
    if ring is None:
        raise ConflictError("This server asks for no keys.")
    ring.find(shown)
    return no_content([_cookie(call, shown)])


async def sign_out(call: Call) -> Asgi:
    return no_content([_cookie(call, "", "; Max-Age=0")])


def _cookie(call: Call, value: str, more: str = "") -> tuple[bytes, bytes]:
    # Every browser says the Origin of a change; its scheme is what the page came by, whatever a proxy has made of it.
    secure = "; Secure" if (call.header("origin") or "").lower().startswith("https://") else ""
    return b"set-cookie", f"{COOKIE}={value}; {_ATTRIBUTES}{secure}{more}".encode("latin-1")


SESSION = Resource(
    "/api/v1/session",
    Operation("GET", show_session, "Who the caller is", (Reply(200, "Owner and key", Session),)),
    Operation(
        "POST",
        sign_in,
        "Have the browser show a key from now on",
        (Reply(204, "It does, by a cookie"),),
        takes=SignIn,
        needs_key=False,
    ),
    Operation(
        "DELETE",
        sign_out,
        "Have it show none any more",
        (Reply(204, "The cookie is gone"),),
        needs_key=False,
    ),
)
