"""Names looked up in threads that nobody waits for.

A resolver that does not answer holds its caller for half a minute, and what holds a thread of the event loop's pool
holds the end of the program too.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import threading
from collections.abc import Sequence

from headwater.providers.egress import addresses_of


async def look_up(host: str, port: int) -> Sequence[str]:
    """A host's addresses, by the system's resolver. Raises OSError. May be cancelled at any time."""
    found: concurrent.futures.Future[list[str]] = concurrent.futures.Future()

    def work() -> None:
        # from here on a cancel leaves it alone
        found.set_running_or_notify_cancel()
        try:
            found.set_result(addresses_of(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except Exception as error:
            found.set_exception(error)

    threading.Thread(target=work, name="headwater-look-up", daemon=True).start()
    return await asyncio.wrap_future(found)
