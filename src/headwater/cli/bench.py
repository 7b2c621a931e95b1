"""`headwater bench`: what a token costs on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headwater.cli.options import DEFAULT_URL, Json, key_headers
from headwater.cli.text import printable

if TYPE_CHECKING:
    from headwater.cli.measuring.figures import Report
    from headwater.cli.measuring.load import Load

_DEFAULT_PACE: Final = 50.0

Runs = Annotated[int, typer.Option("--runs", "-n", min=1, max=1000, help="How many runs at once.")]
Readers = Annotated[int, typer.Option("--readers", "-r", min=1, max=1000, help="How many readers each run has.")]
Pace = Annotated[
    float | None,
    typer.Option(min=0, max=1000, help="Tokens a second of each run, 0 for at once.  [default: 50, then at once]"),
]
Seconds = Annotated[float, typer.Option("--seconds", "-s", min=0.5, max=60, help="How long each load lasts.")]
Directory = Annotated[
    Path, typer.Option(file_okay=False, exists=True, help="Where the log is put meanwhile: its disk is measured.")
]
ServerUrl = Annotated[
    str | None, typer.Option("--url", help=f"A server that runs, such as {DEFAULT_URL}, in place of one of its own.")
]


def bench(
    runs: Runs = 50,
    readers: Readers = 1,
    pace: Pace = None,
    seconds: Seconds = 3.0,
    directory: Directory = Path(),
    url: ServerUrl = None,
    json: Json = False,
) -> None:
    """Measure what a token costs on this machine, in about ten seconds.

    A server is started for it, with its log in a directory of its own that is gone afterwards. With --url one that
    runs is asked, as far as it can be seen from outside; what was started there is deleted again. Only the simulated
    model is called, whose own work is in the figures. Ctrl-C ends it likewise.
    """
    import asyncio

    from headwater.api.sockets import raise_file_limit
    from headwater.cli.measuring.figures import table
    from headwater.cli.measuring.load import Load

    paces = (_DEFAULT_PACE, None) if pace is None else (pace or None,)
    loads = [Load(runs, readers, each, seconds) for each in paces]
    raise_file_limit()
    report = asyncio.run(_measure(url, directory, loads))
    if json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        typer.echo(printable("\n".join(table(report))))


async def _measure(url: str | None, directory: Path, loads: list[Load]) -> Report:
    from headwater.cli.measuring.measurement import client_of, measure_own, measure_running

    if url is None:
        return await measure_own(directory, loads)
    try:
        client = client_of(url, key_headers(os.environ))
    except ValueError as error:
        raise typer.BadParameter(f"{error}, not {url!r}", param_hint="--url") from None
    async with client:
        return await measure_running(client, url, loads)
