"""What was measured, and how it is shown. What could not be seen is None."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import Final

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """In milliseconds: half of the samples are at most `p50`, 99 of 100 at most `p99`."""

    p50: float
    p99: float
    samples: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None without values."""
        if not values:
            return None
        ordered = sorted(values)
        last = len(ordered) - 1
        p50, p99 = (ordered[min(last, len(ordered) * part // 100)] for part in (50, 99))
        return cls(round(p50, 3), round(p99, 3), len(ordered))


class LoadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One load. `pace` is in tokens a second of each run, None for at once; `cores` are CPU seconds a second.

    `lag_ms` is from the making of a record to its arrival at a reader, so the commit is in it; `commit_ms` is how long
    a commit took, its sync included, on average. `readers_cores` is what this program took to read.
    """

    runs: int
    readers: int
    pace: float | None
    seconds: float
    tokens: int
    tokens_per_s: float
    readers_cores: float
    cpu_us_per_token: float | None = None
    cores: float | None = None
    lag_ms: Spread | None = None
    commit_ms: float | None = None


class Machine(msgspec.Struct, frozen=True):
    system: str
    architecture: str
    cores: int
    python: str

    @classmethod
    def this(cls) -> Machine:
        return cls(platform.system(), platform.machine(), os.cpu_count() or 1, platform.python_version())


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that `headwater bench` found. `server` is a URL, None for a server of its own."""

    machine: Machine
    server: str | None
    sync_ms: Spread | None
    first_token_ms: Spread | None
    reader_bytes: int | None
    loads: list[LoadFigures]
    notes: list[str]


_NAME_CHARS: Final = 34
_VALUE_CHARS: Final = 16


def table(report: Report) -> list[str]:
    """The report in lines, for a person."""
    machine, loads = report.machine, report.loads
    where = report.server or "a server of its own, each commit synced"
    lines = [f"{machine.system} {machine.architecture}, {machine.cores} cores, Python {machine.python}; {where}", ""]
    for name, spread in (
        ("sync of the disk", report.sync_ms),
        ("first token, with nobody else", report.first_token_ms),
    ):
        if spread is not None:
            lines.append(_line(name, [f"{_digits(spread.p50)} ms p50", f"{_digits(spread.p99)} ms p99"]))
    if report.reader_bytes is not None:
        lines.append(_line("memory of a reader that waits", [f"{report.reader_bytes / 1000:,.1f} kB"]))
    if loads:
        runs, readers = loads[0].runs, loads[0].readers
        who = f"{_count(runs, 'run')}, {_count(readers, 'reader')} each"
        lines += ["", _line(who, ["at once" if load.pace is None else f"{load.pace:g} tokens/s" for load in loads])]
    rows = {
        "tokens a second": [f"{load.tokens_per_s:,.0f}" for load in loads],
        "CPU of the server per token": [_measure(load.cpu_us_per_token, "µs") for load in loads],
        "CPU of the server, cores": [_measure(load.cores) for load in loads],
        "made to arrived, p50": [_measure(load.lag_ms.p50 if load.lag_ms else None, "ms") for load in loads],
        "made to arrived, p99": [_measure(load.lag_ms.p99 if load.lag_ms else None, "ms") for load in loads],
        "of it a commit, on average": [_measure(load.commit_ms, "ms") for load in loads],
        "CPU of the readers, cores": [_measure(load.readers_cores) for load in loads],
    }
    lines += [_line(name, values) for name, values in rows.items() if any(values)]
    return lines + [f"\n{note}" for note in report.notes]


def _line(name: str, values: Sequence[str]) -> str:
    return f"{name:<{_NAME_CHARS}}" + "".join(f"{value:>{_VALUE_CHARS}}" for value in values)


def _measure(value: float | None, unit: str = "") -> str:
    return "" if value is None else f"{_digits(value)} {unit}".rstrip()


def _digits(value: float) -> str:
    """Three digits that say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"
