"""The course of a measurement: first tokens one after another, then each load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from headwater.cli.checkup import disk_sync
from headwater.cli.checkup.finding import Level
from headwater.cli.measuring.commits import commits
from headwater.cli.measuring.figures import LoadFigures, Machine, Report, Spread
from headwater.cli.measuring.load import WAITING, Load, Streams, Waiting, first_tokens_ms
from headwater.cli.measuring.server import BenchError, OwnServer, own_server
from headwater.client import HeadwaterClient, RetryPolicy
from headwater.client.http import is_loopback

#: Of a core: from here on the readers are what is slow.
_READERS_BUSY: Final = 0.9
_ONCE: Final = RetryPolicy(tries_max=0)


class Subject(NamedTuple):
    """The server that is measured, and how it is called; `own` where it was started for that."""

    url: str
    client: HeadwaterClient
    own: OwnServer | None = None


def client_of(url: str, headers: Mapping[str, str] | None = None) -> HeadwaterClient:
    """One that tries nothing again: what then came would not be the figure. Raises `ValueError` for no address."""
    return HeadwaterClient(url, headers=headers, call_retry=_ONCE, follow_retry=_ONCE, fallback=False)


async def measure_own(directory: Path, loads: Sequence[Load]) -> Report:
    """Of a server that is started for it, and of the disk below it. Raises `BenchError`, `ClientError`."""
    try:
        syncs = disk_sync.measure(directory)
    except OSError as error:
        raise BenchError(f"{directory} can not be used: {error.strerror}") from error
    async with own_server(directory) as own, client_of(own.url) as client:
        reader_bytes = await _reader_bytes(client, own)
        first, found = await _course(Subject(own.url, client, own), loads, set())
    doubts = [finding.text for finding in disk_sync.judge(syncs) if finding.level is not Level.OK]
    return Report(
        machine=Machine.this(),
        server=None,
        sync_ms=Spread.of([each * 1000 for each in syncs]),
        first_token_ms=first,
        reader_bytes=reader_bytes,
        loads=found,
        notes=doubts + _notes(found),
    )


async def measure_running(client: HeadwaterClient, url: str, loads: Sequence[Load]) -> Report:
    """Of a server that runs, as far as it can be seen from outside; the runs are deleted. Raises `ClientError`."""
    started: set[str] = set()
    try:
        first, found = await _course(Subject(url, client), loads, started)
    finally:
        for run in started:
            await client.delete(run)
    return Report(
        machine=Machine.this(),
        server=url,
        sync_ms=None,
        first_token_ms=first,
        reader_bytes=None,
        loads=found,
        notes=_notes(found),
    )


async def _course(
    subject: Subject, loads: Sequence[Load], started: set[str]
) -> tuple[Spread | None, list[LoadFigures]]:
    first = Spread.of(await first_tokens_ms(subject.client, started))
    return first, [await _under(load, subject, started) for load in loads]


async def _reader_bytes(client: HeadwaterClient, own: OwnServer) -> int:
    """What each of many readers of a silent run adds to the server's memory."""
    async with Waiting(client, own.url) as waiting:
        before = await own.usage()
        joined = await waiting.join(WAITING)
        after = await own.usage()
    return round((after.memory_bytes - before.memory_bytes) / joined)


async def _under(load: Load, subject: Subject, started: set[str]) -> LoadFigures:
    """What one load costs. The beginnings of its runs are not in it."""
    url, client, own = subject
    streams = Streams(client, load, started)
    async with streams.begun():
        commits_before, before = await commits(url), await own.usage() if own else None
        came = await streams.measured()
        after, commits_after = await own.usage() if own else None, await commits(url)
    cpu_s = after.cpu_s - before.cpu_s if before and after else None
    # When a record was made is told by the server's clock.
    same_clock = is_loopback(urlsplit(url).hostname or "")
    return LoadFigures(
        runs=load.runs,
        readers=load.readers,
        pace=load.pace,
        seconds=round(came.seconds, 3),
        tokens=came.tokens,
        tokens_per_s=round(came.tokens / came.seconds, 1),
        readers_cores=round(came.cpu_s / came.seconds, 3),
        cpu_us_per_token=None if cpu_s is None or not came.tokens else round(cpu_s / came.tokens * 1e6, 2),
        cores=None if cpu_s is None else round(cpu_s / came.seconds, 3),
        lag_ms=Spread.of(came.lags_ms) if same_clock else None,
        commit_ms=commits_after.mean_ms_since(commits_before) if commits_before and commits_after else None,
    )


def _notes(found: Sequence[LoadFigures]) -> list[str]:
    if all(figures.readers_cores < _READERS_BUSY for figures in found):
        return []
    return ["The readers took a whole core: what they read late or not at all is not the server's doing."]
