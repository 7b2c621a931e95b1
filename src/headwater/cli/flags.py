"""`headwater flags`: what can be switched off, whether it is, and who says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.options import Json
from headwater.cli.text import printable

if TYPE_CHECKING:
    from headwater.settings import Flag

Config = Annotated[Path | None, typer.Option(dir_okay=False, help="The TOML file that the server is started with.")]


def flags(config: Config = None, json: Json = False) -> None:
    """List the flags: on or off, and whether the file, the environment or neither says so.

    They are as a server would have them that starts here and now, with this file and this environment. One that runs
    already has those of its own start.
    """
    from headwater import settings

    found = settings.flags(config)
    if json:
        import msgspec

        report = {"flags": [flag._asdict() for flag in found]}
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
        return
    width = max(len(flag.name) for flag in found)
    for flag in found:
        source = "by default" if flag.named is None else f"by {flag.named}"
        typer.echo(printable(f"{flag.name:<{width}}  {'on' if flag.on else 'off':<3}  {source}"))
        typer.echo(f"    {flag.about}")
        typer.echo(f"    {_how(flag)}")


def _how(flag: Flag) -> str:
    places = ", ".join([*flag.variables, f"or [flags] {flag.name} in the file"])
    return f"To change it, set {places}, the first of which counts most, and start the server again."
