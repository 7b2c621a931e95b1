"""Whose things a request is about: its key's owner's, and without keys whom `x-org-id` and `x-user-id` name. Pure.

Without keys the headers are taken at their word: they keep the users of one server apart, and prove nothing. With
keys they may say no other than the key does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from headwater.domain.run import LOCAL_OWNER, OWNER_NAME, Owner
from headwater.errors import BadRequestError, ForbiddenError

ORG_HEADER: Final = "x-org-id"
USER_HEADER: Final = "x-user-id"
DEFAULT_ORG: Final = "00000000-0000-0000-0000-000000000001"
DEFAULT_USER: Final = "local"


def named_owner(
    org: str | None,
    user: str | None,
    *,
    own: Owner | None = None,
    org_name: str = ORG_HEADER,
    user_name: str = USER_HEADER,
) -> Owner:
    """The owner of these names, or of the default ones; with a key it is `own`, the key's.

    Raises `BadRequestError` for what can be no name, `ForbiddenError` for another owner's than the key's.
    """
    for value, name in ((org, org_name), (user, user_name)):
        if value is not None and OWNER_NAME.fullmatch(value) is None:
            raise BadRequestError("It has 1 to 200 printable ASCII characters, and no blanks.", parameter=name)
    if own is not None:
        if (org or own.org, user or own.user) != (own.org, own.user):
            raise ForbiddenError("The key is another owner's than the one that is named.")
        return own
    return Owner(DEFAULT_ORG if org is None else org, DEFAULT_USER if user is None else user)


def owner_in(headers: Iterable[tuple[bytes, bytes]], own: Owner | None = None) -> Owner:
    """Whom the headers name; without them the key's owner, or the server's own. Raises as `named_owner`."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name in (b"x-org-id", b"x-user-id"):
            found.setdefault(name.decode(), []).append(value.decode("latin-1").strip())
    if not found:
        return own or LOCAL_OWNER
    # One that was sent twice is joined by a blank, which no name has.
    org, user = (" ".join(found[name]) if name in found else None for name in (ORG_HEADER, USER_HEADER))
    return named_owner(org, user, own=own)
