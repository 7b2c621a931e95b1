"""Who may start a task: only the owner of all tasks, who is passed down as a `Spawn`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol


class Spawn(Protocol):
    """Starts a task that its owner keeps hold of, watches for failure, and ends at shutdown."""

    def __call__(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]: ...
