"""An API key: what a caller shows, what is kept of it, and whether the one fits the other. Pure.

    hw_3f9a04c1d27be685_9c0e…41        a name for people to see, and 256 random bits that nobody keeps
       └ id, 16 digits  └ 64 digits

Only the SHA-256 of the whole text is stored. No slow hash is needed for it: what is hashed is random, so there is
nothing to guess. The id is public; it finds the row, so that only one hash is compared, in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Annotated, Final, NamedTuple

import msgspec

from headwater.domain.run import Owner

PREFIX: Final = "hw_"
NAME_CHARS_MAX: Final = 100
_ID_BYTES: Final = 8
_RANDOM_BYTES: Final = 32
_SHOWN: Final = re.compile(r"hw_([0-9a-f]{16})_[0-9a-f]{64}")


#: Milliseconds since 1970, as many as a database can hold.
TimeMs = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class ApiKey(msgspec.Struct, frozen=True):
    """What is kept of a key. Whoever shows it acts as its owner. Times are in ms since 1970."""

    id: str
    #: what it is for, in a person's words
    name: str
    owner: Owner
    #: SHA-256 of the text that callers show
    hash: bytes
    created_at_ms: TimeMs
    expires_at_ms: TimeMs | None = None
    revoked_at_ms: TimeMs | None = None

    def state(self, now_ms: int) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at_ms is not None:
            return "revoked"
        return "expired" if self.expires_at_ms is not None and now_ms >= self.expires_at_ms else "active"

    def is_shown_by(self, text: str) -> bool:
        """Whether this is the key's text; takes the same time whatever the difference."""
        return hmac.compare_digest(self.hash, _hash(text))


class NewKey(NamedTuple):
    """A key just made, and its text, which is nowhere else."""

    key: ApiKey
    text: str


def new_api_key(name: str, owner: Owner, now_ms: int, lives_ms: int | None = None) -> NewKey:
    id = secrets.token_hex(_ID_BYTES)
    text = f"{PREFIX}{id}_{secrets.token_hex(_RANDOM_BYTES)}"
    return NewKey(ApiKey(id, name, owner, _hash(text), now_ms, None if lives_ms is None else now_ms + lives_ms), text)


def id_in(text: str) -> str | None:
    """The id in a key's text; None for what is none."""
    found = _SHOWN.fullmatch(text)
    return None if found is None else found[1]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
