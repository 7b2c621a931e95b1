"""The command line. `main` is what the `headwater` script and `python -m headwater` call.

Each command group is a file. What a command needs is imported when it is called, so that `--help` is quick and a
client's command does not load the server.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from headwater import __version__
from headwater.cli import bench, chat, doctor, flags, keys, local, runs, serve
from headwater.cli.group import Commands

app = typer.Typer(
    name="headwater",
    cls=Commands,
    help="Runs of language models that outlive their connection.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("chat")(chat.chat)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.command("flags")(flags.flags)
app.add_typer(runs.app, name="runs")
app.add_typer(keys.app, name="keys")
app.add_typer(local.app, name="local")


def _print_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """What every command shares."""


@app.command("version")
def version() -> None:
    """Print the version."""
    typer.echo(f"headwater {__version__}")


def main() -> None:
    """Runs the command that `sys.argv` names, and exits with its code."""
    app(prog_name="headwater", args=sys.argv[1:])


__all__ = ["app", "main"]
