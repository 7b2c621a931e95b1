"""What outlives a `MemoryStorage` as a file outlives a process: the stand-in for a disk."""

from __future__ import annotations

from typing import Any, NamedTuple

from headwater.domain.api_key import ApiKey
from headwater.domain.run import Run
from headwater.errors import LogTrimmed
from headwater.storage.contract import LogState, Page
from headwater.storage.memory_documents import MemoryShelves
from headwater.storage.memory_streams import MemoryShelf


class StoredLog:
    """A log as the medium has it. `records[0]` is record `first`."""

    def __init__(self) -> None:
        self.epoch = 0
        self.first = 1
        self.records: list[bytes] = []
        self.closed = False

    @property
    def tail(self) -> int:
        return self.first - 1 + len(self.records)

    def state(self) -> LogState:
        return LogState(self.tail, self.closed, self.epoch, self.first)

    def page(self, after: int, records_max: int, bytes_max: int) -> Page:
        """Raises `LogTrimmed`. At least one record if there is one."""
        if after + 1 < self.first:
            raise LogTrimmed(first=self.first)
        payloads = self.records[after + 1 - self.first :][:records_max]
        size = 0
        for number, payload in enumerate(payloads):
            size += len(payload)
            if number and size > bytes_max:
                del payloads[number:]
                break
        return Page(after, payloads, self.tail, self.closed)


class StoredKey(NamedTuple):
    """What an idempotency key made; `run` is None once that run was deleted."""

    run: str | None
    digest: bytes


class MemoryMedium:
    """What is durable: the stand-in for a disk."""

    def __init__(self) -> None:
        self.logs: dict[str, StoredLog] = {}
        self.runs: dict[str, Run] = {}
        self.keys: dict[tuple[Any, str, str], StoredKey] = {}
        self.streams = MemoryShelf()
        self.documents = MemoryShelves()
        self.api_keys: dict[str, ApiKey] = {}
        #: the engine that is at work on it
        self.held_by: object | None = None
