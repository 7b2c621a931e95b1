"""Options that several commands share, and the client that they make."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from headwater.client import BlockingClient

# Not imported from the client, which would be loaded for every --help.
DEFAULT_URL = "http://127.0.0.1:8000"

#: About an hour of tries. A run goes on without its readers, and whoever sits there can leave at any time.
FOLLOW_TRIES_MAX = 900

Url = Annotated[str, typer.Option("--url", envvar="HEADWATER_URL", help="The server.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="JSON, for scripts.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]


#: The key that is shown to the server. No option for it: arguments are in everybody's list of processes.
KEY_VARIABLE = "HEADWATER_API_KEY"


def key_headers(environ: Mapping[str, str]) -> dict[str, str]:
    """What shows the key, if there is one. Raises `typer.BadParameter` for what can be none."""
    key = environ.get(KEY_VARIABLE, "").strip()
    if not key:
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise typer.BadParameter(f"{KEY_VARIABLE} has a blank in it, or what is no ASCII")
    return {"Authorization": f"Bearer {key}"}


def connect(url: str) -> BlockingClient:
    """A client for `url`. That there is no server is told at once; one that goes away later is waited for."""
    from headwater.client import BlockingClient, RetryPolicy

    try:
        return BlockingClient(
            url,
            headers=key_headers(os.environ),
            call_retry=RetryPolicy(unreachable=False),
            follow_retry=RetryPolicy(tries_max=FOLLOW_TRIES_MAX),
        )
    except ValueError as error:
        raise typer.BadParameter(f"{error}, not {url!r}", param_hint="--url") from None
