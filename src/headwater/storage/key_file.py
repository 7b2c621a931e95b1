"""The keys of a data directory, for a command: whether a server has the directory or not. Everything here blocks."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from headwater.domain.api_key import ApiKey
from headwater.errors import ConfigError, NotFoundError, StorageError, UnavailableError
from headwater.storage.directory import DataDirectory, InUseError
from headwater.storage.key_orders import Create, KeyOrders, Order, Revoke
from headwater.storage.schema import FILE_NAME, KEYS_STEP, is_locked, open_reader, open_writer
from headwater.storage.sqlite_keys import put_key, revoke_key, select_keys

#: How long a server may take to take an order, in seconds, and how often is looked whether it did.
ANSWER_S: Final = 10.0
_LOOK_S: Final = 0.02


class KeyFile:
    """What `headwater keys` reads and changes. Each change is durable on return.

    Raises `ConfigError` for a directory that can not be used, `StorageError` for a database that can not be read.
    """

    def __init__(self, data: Path, *, answer_s: float = ANSWER_S) -> None:
        self._data = data
        self._orders = KeyOrders(data)
        self._answer_s = answer_s

    def all(self) -> Sequence[ApiKey]:
        """Every key, in the order in which they were made."""
        path = self._data / FILE_NAME
        if not path.exists():
            return ()
        with self._in_words(), closing(open_reader(path)) as db:
            return select_keys(db) if _knows_keys(db) else ()

    def put(self, key: ApiKey) -> None:
        self._change(Create(key))

    def revoke(self, id: str, at_ms: int) -> None:
        """From now on it is not taken; one that was revoked stays so. Raises `NotFoundError` for no key's id."""
        if all(key.id != id for key in self.all()):
            raise NotFoundError("There is no key of that id; `headwater keys ls` lists them.")
        self._change(Revoke(id, at_ms))

    def _change(self, order: Order) -> None:
        """Does it here where no server has the directory, else has the server do it. Raises `UnavailableError`."""
        until = time.monotonic() + self._answer_s
        place: Path | None = None
        try:
            while True:
                held = DataDirectory(self._data, 0)
                try:
                    held.hold()
                except InUseError:
                    place = place or self._leave(order)
                else:
                    try:
                        self._do(held, order)
                    finally:
                        if place is not None:
                            self._orders.forget(place)  # to take it twice changes nothing
                        held.let_go()
                    return
                time.sleep(_LOOK_S)
                if not place.exists():
                    return
                if time.monotonic() >= until:
                    raise UnavailableError(
                        f"The server that has {self._data} did not take the change within {self._answer_s:g} s: it may "
                        "be of a version without keys, its disk may be full, or it may belong to another user."
                    )
        except BaseException:
            # Whoever leaves before it is done, by Ctrl-C too, does not want it done later.
            if place is not None:
                self._orders.withdraw(place)
            raise

    def _leave(self, order: Order) -> Path:
        try:
            return self._orders.leave(order)
        except OSError as error:
            raise ConfigError(f"the data directory {self._data} can not be written to: {error.strerror}") from error

    def _do(self, held: DataDirectory, order: Order) -> None:
        with self._in_words(), closing(open_writer(self._data / FILE_NAME, "FULL")) as db:
            match order:
                case Create():
                    put_key(db, order.key)
                case Revoke():
                    revoke_key(db, order.id, order.at_ms)
        held.sync()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        path = self._data / FILE_NAME
        try:
            yield
        except sqlite3.Error as error:
            if is_locked(error):
                raise ConfigError(f"{path} is locked by another program (a backup?)") from error
            raise StorageError(f"{path} can not be used: {error}") from error


def _knows_keys(db: sqlite3.Connection) -> bool:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return bool(version >= KEYS_STEP)
