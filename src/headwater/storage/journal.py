"""The journal's table: slots of one size, which commits overwrite in place.

A frame takes as many slots as it needs, the last one padded; `id` numbers the frames, `part` the slots of
one. A new row would touch the page it goes to, the table's inner page and the file's first page; a slot that
is there already touches its own page alone, which is a third of what a commit has to write. Slots are
made some at a time when none is free, and a start begins without any, so the table is as large as the
journal ever was since. What is dropped stays in its slots until others overwrite it, and `journal_from` says
from which frame on they count: to blank some hundred pages would hold up the commit that does it. Only a
deletion blanks them. Writer's thread only.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from itertools import groupby

from headwater.errors import LogCorrupt
from headwater.storage.batches import decode_frame, encode_frame

#: With its key and the page's header, one slot fills a page of the database.
SLOT_BYTES = 8128
#: So many slots are made at once.
GROW = 32

_FILL = "UPDATE journal SET id = ?, part = ?, frame = ? WHERE slot = ?"
_DROP = "UPDATE journal_from SET id = ?"
_BLANK_DROPPED = f"""UPDATE journal SET id = 0, part = 0, frame = zeroblob({SLOT_BYTES})
    WHERE id > 0 AND id < (SELECT id FROM journal_from)"""
_MAKE = f"INSERT INTO journal (slot, id, part, frame) VALUES (?, 0, 0, zeroblob({SLOT_BYTES}))"


def slots_of(size: int) -> int:
    """How many slots a frame of so many bytes takes."""
    return -(-size // SLOT_BYTES)


def _parts(frame: bytes, count: int) -> list[bytes]:
    padded = frame.ljust(count * SLOT_BYTES, b"\0")
    return [padded[at : at + SLOT_BYTES] for at in range(0, len(padded), SLOT_BYTES)]


class Journal:
    """Which slots are taken, as the database has it: whoever rolls a transaction back has to call `reload`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known = False
        self._free: list[int] = []
        self._made = 0
        #: each frame's id and slots, oldest first
        self._taken: deque[tuple[int, list[int]]] = deque()

    def reload(self) -> None:
        """Forgets what is known of the slots; the next use reads it anew."""
        self._known = False

    def fits(self, size: int) -> bool:
        """Whether a frame of so many bytes is one statement, and so needs no transaction around it."""
        return self._known and size <= SLOT_BYTES and bool(self._free)

    def put(self, journal_id: int, frame: bytes) -> None:
        """Adds a frame. Within a transaction, unless it `fits`."""
        if len(frame) <= SLOT_BYTES and self._known and self._free:
            slots = [self._free.pop()]
            self._db.execute(_FILL, (journal_id, 0, frame.ljust(SLOT_BYTES, b"\0"), slots[0]))
        else:
            slots = self._room(slots_of(len(frame)))
            rows = zip(_parts(frame, len(slots)), slots, strict=True)
            self._db.executemany(_FILL, [(journal_id, part, piece, slot) for part, (piece, slot) in enumerate(rows)])
        self._taken.append((journal_id, slots))

    def drop(self, low: int) -> None:
        """Lets go of the frames before this one. Within a transaction."""
        self._learn()
        if not self._taken or self._taken[0][0] >= low:
            return
        self._db.execute(_DROP, (low,))
        while self._taken and self._taken[0][0] < low:
            self._free += self._taken.popleft()[1]

    def _room(self, count: int) -> list[int]:
        self._learn()
        missing = count - len(self._free)
        if missing > 0:
            new = range(self._made + 1, self._made + 1 + max(missing, GROW))
            self._db.executemany(_MAKE, [(slot,) for slot in new])
            self._made = new[-1]
            self._free += reversed(new)
        return [self._free.pop() for _ in range(count)]

    def _learn(self) -> None:
        if self._known:
            return
        self._free, self._taken, self._made = [], deque(), 0
        low = first_frame(self._db)
        rows = self._db.execute("SELECT id, slot FROM journal ORDER BY id, part, slot DESC")
        for journal_id, group in groupby(rows, key=lambda row: int(row[0])):
            slots = [int(slot) for _, slot in group]
            self._made = max(self._made, *slots)
            if journal_id >= low:
                self._taken.append((journal_id, slots))
            else:
                self._free += slots
        self._known = True


def first_frame(db: sqlite3.Connection) -> int:
    """From which frame on the slots count."""
    (low,) = db.execute("SELECT max(id, 1) FROM journal_from").fetchone()
    return int(low)


def frames(db: sqlite3.Connection) -> Iterator[tuple[int, list[int], bytes]]:
    """The journal's frames, oldest first: id, slots, and the bytes, which padding may follow."""
    rows = db.execute("SELECT id, slot, frame FROM journal WHERE id >= ? ORDER BY id, part", (first_frame(db),))
    for journal_id, group in groupby(rows, key=lambda row: int(row[0])):
        parts = list(group)
        yield journal_id, [slot for _, slot, _ in parts], b"".join(part for _, _, part in parts)


def blank_dropped(db: sqlite3.Connection) -> None:
    """Overwrites what is left in slots that are free."""
    db.execute(_BLANK_DROPPED)


def scrub(db: sqlite3.Connection, key: int) -> None:
    """Overwrites what the slots hold of one run. A frame that counts keeps its slots until its turn to be dropped."""
    blank_dropped(db)
    for journal_id, slots, frame in list(frames(db)):
        try:
            entries = decode_frame(journal_id, frame)
        except LogCorrupt:
            continue  # it is never served; it goes with its turn, or is reported at the next start
        kept = [entry for entry in entries if entry.key != key]
        if len(kept) == len(entries) or any(entry.payloads is None for entry in entries):
            continue
        left = encode_frame(journal_id, [(entry, entry.after, entry.payloads or [], entry.final) for entry in kept])
        pieces = zip(_parts(left, len(slots)), slots, strict=True)
        db.executemany("UPDATE journal SET frame = ? WHERE slot = ?", pieces)
