"""Keys stay inside: a type that does not show its value, and a text without it.

A provider's answer to a refused key may quote the key, whole or cut off; what is kept of it for the operator goes
through `redact` first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import quote

from headwater.errors import ConfigError

REDACTED = "[redacted]"

#: Shorter beginnings of a key than this are left in a text that was cut: they are no longer a secret.
_PREFIX_MIN = 6
_VISIBLE = re.compile(r"[!-~]+")


class Secret:
    """A key. Its value comes out by `reveal()` only; printed, formatted, logged or pickled it shows nothing."""

    __slots__ = ("_value",)

    def __init__(self, value: str, *, name: str = "the key") -> None:
        # What a header can not carry would be quoted by the exception of whoever builds the header.
        if not _VISIBLE.fullmatch(value):
            raise ConfigError(f"{name} is empty, or has a blank or a control character in it.")
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """The text without these secrets, in the forms that bodies and URLs give them.

    A text may have been cut in the middle of a secret, so the beginning of one at its very end goes too.
    """
    for secret in secrets:
        for form in _forms(secret.reveal()):
            text = _without_cut_off(text.replace(form, REDACTED), form)
    return text


def redact_bytes(body: bytes, secrets: Iterable[Secret]) -> bytes:
    """As `redact`, for a body in any encoding that has ASCII in it; all other bytes stay as they are."""
    return redact(body.decode("latin-1"), secrets).encode("latin-1")


def _forms(value: str) -> list[str]:
    """The value as it is, as JSON may escape it, and as a URL does; the longest first, each once."""
    forms = {value, value.replace("/", "\\/"), quote(value, safe=""), quote(value)}
    return sorted(forms, key=lambda form: (-len(form), form))


def _without_cut_off(text: str, secret: str) -> str:
    for length in range(min(len(secret) - 1, len(text)), _PREFIX_MIN - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + REDACTED
    return text
