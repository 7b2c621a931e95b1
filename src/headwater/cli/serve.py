"""`headwater serve`."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

Host = Annotated[str | None, typer.Option(help="Where to listen; without keys loopback only.  [default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes any free one.  [default: 8000]")]
Data = Annotated[Path | None, typer.Option(file_okay=False, help="The data directory.  [default: data]")]
Config = Annotated[Path | None, typer.Option(dir_okay=False, help="A TOML file.")]


Local = Annotated[bool, typer.Option("--local", help="Offer `smollm2` too, a small real model on this machine.")]


def serve(host: Host = None, port: Port = None, data: Data = None, config: Config = None, local: Local = False) -> None:
    """Start the server. Without any configuration it offers the model `simulated`."""
    # What is imported stays to the end: to look for garbage among it takes a tenth of the time to the first line.
    gc.disable()
    try:
        from headwater.app import serve as run_server
        from headwater.settings import load_settings

        settings = load_settings(config, {"server": {"host": host, "port": port}, "data": data, "local": local or None})
        raise typer.Exit(run_server(settings))
    finally:
        gc.enable()
