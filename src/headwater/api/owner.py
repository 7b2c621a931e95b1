"""Whose things a request is about: `x-org-id` and `x-user-id`, taken at their word. Pure.

They keep the users of one server apart, and prove nothing: until there are keys it listens on loopback only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from headwater.domain.run import LOCAL_OWNER, Owner
from headwater.errors import BadRequestError

ORG_HEADER: Final = "x-org-id"
USER_HEADER: Final = "x-user-id"
DEFAULT_ORG: Final = "00000000-0000-0000-0000-000000000001"
DEFAULT_USER: Final = "local"

_NAME: Final = re.compile(r"[!-~]{1,200}")


def named_owner(
    org: str | None, user: str | None, *, org_name: str = ORG_HEADER, user_name: str = USER_HEADER
) -> Owner:
    """The owner of these names, or of the default ones. Raises `BadRequestError` for what can be no name."""
    for value, name in ((org, org_name), (user, user_name)):
        if value is not None and _NAME.fullmatch(value) is None:
            raise BadRequestError("It has 1 to 200 printable ASCII characters, and no blanks.", parameter=name)
    return Owner(DEFAULT_ORG if org is None else org, DEFAULT_USER if user is None else user)


def owner_in(headers: Iterable[tuple[bytes, bytes]]) -> Owner:
    """Whom the headers name; without them the server's own. Raises `BadRequestError`."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name in (b"x-org-id", b"x-user-id"):
            found.setdefault(name.decode(), []).append(value.decode("latin-1").strip())
    if not found:
        return LOCAL_OWNER
    # One that was sent twice is joined by a blank, which no name has.
    org, user = (" ".join(found[name]) if name in found else None for name in (ORG_HEADER, USER_HEADER))
    return named_owner(org, user)
