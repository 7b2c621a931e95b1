"""A disk that loses power: what a trace leaves behind if what was not synced is dropped, reordered or torn.

Rules: what was written to a file before it was synced is there. Of what was written since, any sectors
may be there and any may not. A name made or removed is sure once its directory was synced; of the
changes since, the first few are there, in order.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.power.trace import Kind, Operation

SECTOR = 512

#: Makes of the writes that were not synced those that reached the disk.
Loss = Callable[[random.Random, list[tuple[int, bytes]]], list[tuple[int, bytes]]]


def dropped(dice: random.Random, writes: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """None of them."""
    return []


def reordered(dice: random.Random, writes: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Any of them: later ones may be there without earlier ones."""
    return [write for write in writes if dice.random() < 0.5]


def torn(dice: random.Random, writes: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Any sectors of any of them."""
    kept = []
    for offset, data in writes:
        at = 0
        while at < len(data):
            end = min(len(data), at + SECTOR - (offset + at) % SECTOR)
            if dice.random() < 0.7:
                kept.append((offset + at, data[at:end]))
            at = end
    return kept


LOSSES: dict[str, Loss] = {"dropped": dropped, "reordered": reordered, "torn": torn}


class _File:
    def __init__(self) -> None:
        self.content = bytearray()
        #: writes and (with no data) sizes since the last sync, in order
        self.pending: list[tuple[int, bytes]] = []

    def sync(self) -> None:
        self.content = self.after(self.pending)
        self.pending = []

    def after(self, writes: list[tuple[int, bytes]]) -> bytearray:
        content = bytearray(self.content)
        for offset, data in writes:
            if not data:
                del content[offset:]
            if offset > len(content):
                content += bytes(offset - len(content))
            content[offset : offset + len(data)] = data
        return content


class Disk:
    """Takes operations in order; `image` says what would be there if the power went now."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[int, _File | None] = {}
        self._names: dict[str, _File] = {}
        self._sure: dict[str, _File] = {}
        self._pending_names: list[tuple[str, _File | None]] = []

    def apply(self, operation: Operation) -> None:
        match operation.kind:
            case Kind.OPEN if operation.directory:
                self._open[operation.fd] = None
            case Kind.OPEN:
                if operation.created or operation.path not in self._names:
                    self._names[operation.path] = _File()
                    self._pending_names.append((operation.path, self._names[operation.path]))
                self._open[operation.fd] = self._names[operation.path]
            case Kind.WRITE:
                self._file(operation).pending.append((operation.offset, operation.data))
            case Kind.TRUNCATE:
                self._file(operation).pending.append((operation.offset, b""))
            case Kind.SYNC:
                self._sync(self._open[operation.fd])
            case Kind.UNLINK:
                del self._names[operation.path]
                self._pending_names.append((operation.path, None))
            case _:
                pass

    def _file(self, operation: Operation) -> _File:
        file = self._open[operation.fd]
        assert file is not None
        return file

    def _sync(self, file: _File | None) -> None:
        if file is not None:
            file.sync()
            return
        _rename(self._sure, self._pending_names)
        self._pending_names = []

    def image(self, into: Path, dice: random.Random, loss: Loss) -> None:
        """Writes what is left to a directory."""
        names = dict(self._sure)
        few = 0 if loss is dropped else dice.randint(0, len(self._pending_names))
        _rename(names, self._pending_names[:few])
        for path, file in names.items():
            place = into / Path(path).relative_to(self._root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.after(loss(dice, file.pending)))


def _rename(names: dict[str, _File], changes: list[tuple[str, _File | None]]) -> None:
    for path, file in changes:
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file
