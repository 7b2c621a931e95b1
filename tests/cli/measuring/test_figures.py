"""What is shown of what was measured."""

from __future__ import annotations

import msgspec

from headwater.cli.measuring.figures import LoadFigures, Machine, Report, Spread, table

PACED = LoadFigures(
    runs=50,
    readers=1,
    pace=50.0,
    seconds=3.0,
    tokens=7_500,
    tokens_per_s=2_500.0,
    readers_cores=0.2,
    cpu_us_per_token=71.26,
    cores=0.178,
    lag_ms=Spread(5.21, 12.0, 7_500),
    commit_ms=1.5,
)
AT_ONCE = msgspec.structs.replace(PACED, pace=None, tokens_per_s=80_000.0, cpu_us_per_token=4.0, lag_ms=None)
REPORT = Report(
    machine=Machine("Linux", "x86_64", 2, "3.11.7"),
    server=None,
    sync_ms=Spread(0.1, 2.0, 100),
    first_token_ms=Spread(4.0, 1234.5, 30),
    reader_bytes=17_400,
    loads=[PACED, AT_ONCE],
    notes=["Something to know."],
)


def test_of_a_hundred_the_fiftieth_and_the_last_but_one() -> None:
    spread = Spread.of([float(value) for value in range(100, 0, -1)])
    assert spread == Spread(51.0, 100.0, 100)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 1)
    assert Spread.of([]) is None


def test_a_table_has_a_line_a_figure_and_a_column_a_load() -> None:
    lines = [line.split("  ") for line in table(REPORT)]
    shown = {cells[0]: [cell.strip() for cell in cells[1:] if cell.strip()] for cells in lines}
    assert shown["sync of the disk"] == ["0.1 ms p50", "2 ms p99"]
    assert shown["first token, with nobody else"] == ["4 ms p50", "1,234 ms p99"]
    assert shown["memory of a reader that waits"] == ["17.4 kB"]
    assert shown["50 runs, 1 reader each"] == ["50 tokens/s", "at once"]
    assert shown["tokens a second"] == ["2,500", "80,000"]
    assert shown["CPU of the server per token"] == ["71.3 µs", "4 µs"]
    assert shown["made to arrived, p99"] == ["12 ms"]
    assert "\nSomething to know." in shown


def test_what_was_not_seen_is_not_in_the_table() -> None:
    load = msgspec.structs.replace(PACED, cpu_us_per_token=None, cores=None, lag_ms=None, commit_ms=None)
    seen = msgspec.structs.replace(
        REPORT, server="http://127.0.0.1:1", sync_ms=None, reader_bytes=None, loads=[load], notes=[]
    )
    text = "\n".join(table(seen))
    assert "http://127.0.0.1:1" in text
    assert not any(word in text for word in ("disk", "memory", "server per", "made", "commit", "None"))
