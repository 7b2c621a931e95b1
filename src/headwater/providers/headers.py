"""The operator's own headers of a call: what a provider wants to know of the application (RFC 9110, section 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from headwater.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,998}[\x21-\x7e])?")
_COUNT_MAX: Final = 20
#: What says who calls, where a message begins and ends, and what may come back: ours to say.
_OURS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def check_headers(headers: Mapping[str, str], auth_header: str) -> None:
    """Raises `ConfigError` for a header that can not be sent, or is not the operator's. Values are never repeated."""
    if len(headers) > _COUNT_MAX:
        raise ConfigError(f"at most {_COUNT_MAX} `headers` can be set.")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"`{name[:100]}` is no name of a header.")
        if name.lower() == auth_header.lower():
            raise ConfigError(f"`{name}` is the header of the key: name the key's variable in api_key_env.")
        if name.lower() in _OURS:
            raise ConfigError(f"`{name}` can not be set: it is part of how the call is made.")
        if not _VALUE.fullmatch(value):
            raise ConfigError(f"the value of `{name}` is not one that a header can have.")


def can_be_sent(headers: Mapping[Any, Any]) -> bool:
    """Whether these are headers by their form, whatever they say."""
    return all(
        isinstance(name, str) and isinstance(value, str) and _NAME.fullmatch(name) and _VALUE.fullmatch(value)
        for name, value in headers.items()
    )
