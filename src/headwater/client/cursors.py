"""Keeps where a reader is, so that another process goes on from there."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote, unquote

_SUFFIX: Final = ".cursor"
_DIGITS_MAX: Final = 19


class CursorStore(Protocol):
    """Where cursors are kept. Each method may block; the async client calls them in a thread."""

    def load(self, run: str) -> int | None:
        """The seq that was saved last for this run; None where none was."""
        ...

    def save(self, run: str, cursor: int) -> None:
        """All records up to `cursor` were dealt with."""
        ...

    def forget(self, run: str) -> None: ...


class FileCursorStore:
    """A small file for each run in `directory`, which is made when the first is saved.

    A file is replaced whole, so that a killed process leaves the cursor before or the one after. It is not synced: a
    machine that loses power may lose the newest, and what comes twice then is what came after the older one. What can
    not be read as a cursor is not there. Of more than `runs_max` runs the one saved longest ago goes.
    """

    def __init__(self, directory: str | os.PathLike[str], *, runs_max: int = 1000) -> None:
        if runs_max < 1:
            raise ValueError("at least one run is kept")
        self._directory = Path(directory)
        self._runs_max = runs_max

    def load(self, run: str) -> int | None:
        try:
            text = self._path(run).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return None
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX else None

    def save(self, run: str, cursor: int) -> None:
        """Raises `OSError` where the directory can not be written."""
        path = self._path(run)
        if not path.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            self._make_room()
        fresh = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        fresh.write_text(str(cursor), encoding="ascii")
        fresh.replace(path)

    def forget(self, run: str) -> None:
        self._path(run).unlink(missing_ok=True)

    def runs(self) -> list[str]:
        """The runs that are kept, the newest saved last."""
        return [unquote(path.name.removesuffix(_SUFFIX)) for path in self._paths()]

    def _paths(self) -> list[Path]:
        saved: list[tuple[int, Path]] = []
        for path in self._directory.glob("*" + _SUFFIX):
            try:
                saved.append((path.stat().st_mtime_ns, path))
            except FileNotFoundError:
                continue  # another process forgot it between the two looks
        return [path for _, path in sorted(saved)]

    def _make_room(self) -> None:
        for path in self._paths()[: -self._runs_max + 1 or None]:
            path.unlink(missing_ok=True)

    def _path(self, run: str) -> Path:
        # Quoted, for an id is the server's word and could be a path.
        return self._directory / (quote(run, safe="") + _SUFFIX)
