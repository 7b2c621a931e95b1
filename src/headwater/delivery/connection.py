"""What delivery needs to know of a connection that ASGI does not tell: whether it is full, and how to cut it.

The server puts itself into the scope under `scope["extensions"][CONNECTION]`.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Protocol, cast

CONNECTION = "headwater.connection"

Scope = MutableMapping[str, Any]


class Connection(Protocol):
    """A client's connection, seen from the answer that is being written to it."""

    @property
    def paused(self) -> bool:
        """Whether the write buffer is over its high-water mark: what is sent now would only pile up."""
        ...

    def write(self, data: bytes) -> bool:
        """Takes bytes of the body of the answer under way, without waiting; True while it would take more.

        What `send` of ASGI does too, without a message and a coroutine for every token. The answer's
        head has been sent, without a Content-Length. Never raises: what can not be sent is dropped
        with the connection.
        """
        ...

    def on_resume(self, callback: Callable[[], None] | None) -> None:
        """Calls back, in the loop's thread, each time the buffer has fallen below its low-water mark. None: stop."""
        ...

    def abort(self) -> None:
        """Ends the connection at once, dropping what is buffered here and in the kernel."""
        ...


def connection_of(scope: Scope) -> Connection:
    """The connection of a request. Raises RuntimeError under a server other than Headwater's own.

    There is no slow path for other servers: without these three words a stalled reader can be
    neither bounded nor cut, and its memory would be the client's to choose.
    """
    found = (scope.get("extensions") or {}).get(CONNECTION)
    if found is None:
        raise RuntimeError("event streams need Headwater's own HTTP server: headwater.api.server")
    return cast(Connection, found)
