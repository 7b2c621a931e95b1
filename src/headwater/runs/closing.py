"""Closing a stream that is not read any further."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import structlog

_log = structlog.get_logger(__name__)

#: How long a stream may take to close when its run is not being stopped, in seconds.
CLOSE_S = 2.0


async def close_stream(stream: AsyncIterator[Any]) -> None:
    """Closes a stream if it can be closed, but neither waits for ever nor fails: what was said stays said."""
    aclose = getattr(stream, "aclose", None)
    if aclose is None:
        return
    try:
        async with asyncio.timeout(CLOSE_S):
            await aclose()
    except Exception as error:
        _log.warning("stream not closed", error=type(error).__name__)
