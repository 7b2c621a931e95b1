"""What `headwater keys` asks of a server that runs: a file for each order, in the data directory.

A running engine is the only one that writes to its database, so another process does not write there: it leaves an
order, which whoever holds the directory takes and then removes. Who may put a file there may read the database too.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from headwater.domain.api_key import ApiKey, TimeMs

DIRECTORY_NAME: Final = "headwater.orders"
ORDER_BYTES_MAX: Final = 16 << 10
#: How many are taken at a time; the rest comes with the next look.
ORDERS_MAX: Final = 1000

_log = structlog.get_logger(__name__)


class Create(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="create", tag_field="order"):
    key: ApiKey


class Revoke(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="revoke", tag_field="order"):
    id: str
    at_ms: TimeMs


Order = Create | Revoke

_decoder: Final = msgspec.json.Decoder(Order)


class Placed(NamedTuple):
    """An order and the file that it is in."""

    place: Path
    order: Order


class KeyOrders:
    """The orders of a data directory. Every method blocks."""

    def __init__(self, data: Path) -> None:
        self._directory = data / DIRECTORY_NAME
        #: what could not be read, of which the operator has been told
        self._told: set[str] = set()

    def leave(self, order: Order) -> Path:
        """Leaves an order; its file is gone once it was taken. Raises `OSError`."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        place = self._directory / f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
        unfinished = place.with_suffix(".part")
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(order))
        unfinished.rename(place)
        return place

    def waiting(self) -> Sequence[Placed]:
        """The orders that were left, oldest first. What is none is told of and removed."""
        try:
            names = sorted(name for name in os.listdir(self._directory) if name.endswith(".json"))
        except FileNotFoundError:
            return ()
        except OSError as error:
            self._tell("", error)
            return ()
        self._told &= set(names)
        placed = []
        for name in names[:ORDERS_MAX]:
            place = self._directory / name
            try:
                # of a pipe nothing is waited for
                with open(os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                    # one that nothing was written to reads as None
                    placed.append(Placed(place, _decoder.decode(file.read(ORDER_BYTES_MAX) or b"")))
            except FileNotFoundError:
                continue  # whoever left it has taken it back
            except OSError as error:
                self._tell(name, error)
            except (msgspec.MsgspecError, ValueError):
                _log.warning("an order that is none was removed")
                self.forget(place)
        return placed

    def _tell(self, name: str, error: OSError) -> None:
        """Once, and not with each look."""
        if name not in self._told:
            self._told.add(name)
            _log.warning("an order can not be read: leave it as the server's own user", error=error.strerror)

    def forget(self, place: Path) -> None:
        """Raises `OSError` where the file is another user's."""
        place.unlink(missing_ok=True)

    def withdraw(self, place: Path) -> None:
        """As `forget`; a directory that nothing is left in goes too, for it may be of the wrong user."""
        self.forget(place)
        with suppress(OSError):
            self._directory.rmdir()
