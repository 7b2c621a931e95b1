"""The cursor of `RunStore.select`: opaque to callers, the last row's place to engines."""

from __future__ import annotations

import base64
import binascii

from headwater.errors import BadRequestError

#: Longer than any cursor that was ever made, so that no work goes into what can not be one.
_LENGTH_MAX = 256


def encode_cursor(created_at_ms: int, run: str) -> str:
    """The cursor behind the row with this time (ms since 1970) and id."""
    return base64.urlsafe_b64encode(f"{created_at_ms:d}.{run}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[int, str]:
    """Raises `BadRequestError` where the text is not a cursor."""
    try:
        if len(cursor) > _LENGTH_MAX:
            raise ValueError
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        created_at_ms, dot, run = text.partition(".")
        if not dot or not created_at_ms.isascii() or not created_at_ms.isdigit() or len(created_at_ms) > 15:
            raise ValueError
    except (ValueError, binascii.Error):
        raise BadRequestError("the cursor is not one that this server gave out", pointer="/cursor") from None
    return int(created_at_ms), run
