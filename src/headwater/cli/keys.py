"""`headwater keys`: who may call a server that asks for keys (`[server] keys = "required"`).

The data directory is where they are, so it is named here and not the server's address: they can be made before the
first start, and by nobody who could not read the database anyway.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headwater.cli.group import complain
from headwater.cli.options import Json
from headwater.cli.text import one_line

if TYPE_CHECKING:
    from headwater.domain.api_key import ApiKey
    from headwater.storage.key_file import KeyFile

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys of callers.", rich_markup_mode=None)

_UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")

Data = Annotated[Path | None, typer.Option(file_okay=False, help="The server's data directory.  [default: data]")]
Config = Annotated[Path | None, typer.Option(dir_okay=False, help="The TOML file that the server is started with.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for, in your words.")],
    org: Annotated[str, typer.Option(help="The organisation that acts by it.")] = "local",
    user: Annotated[str, typer.Option(help="The user that acts by it.")] = "local",
    expires: Annotated[str | None, typer.Option(help="For how long it is taken: 30d, 12h, 90m.")] = None,
    json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept.

    All that is done with it belongs to the organisation and user.
    """
    from headwater.domain.api_key import NAME_CHARS_MAX, new_api_key
    from headwater.domain.run import OWNER_NAME, Owner

    if not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise typer.BadParameter(f"it has 1 to {NAME_CHARS_MAX} printable characters", param_hint="NAME")
    for option, value in (("--org", org), ("--user", user)):
        if OWNER_NAME.fullmatch(value) is None:
            raise typer.BadParameter("it has 1 to 200 printable ASCII characters, and no blanks", param_hint=option)
    lives_ms = None if expires is None else _duration_ms(expires)
    key, text = new_api_key(name, Owner(org, user), _now_ms(), lives_ms)
    _keys(data, config).put(key)
    if json:
        _print_json({**_shown(key, _now_ms()), "key": text})
        return
    complain(f"Key {key.id} of {one_line(org, 200)}/{one_line(user, 200)}. Keep it now: it is not shown again.")
    typer.echo(text)


@app.command("ls")
def ls(json: Json = False, data: Data = None, config: Config = None) -> None:
    """List the keys, oldest first: never what callers show, which nobody has kept."""
    keys, now_ms = _keys(data, config).all(), _now_ms()
    if json:
        _print_json({"keys": [_shown(key, now_ms) for key in keys]})
        return
    if not keys:
        complain("No keys yet. Make one with `headwater keys create NAME`.")
    for key in keys:
        until = "" if key.expires_at_ms is None else f"  until {_time(key.expires_at_ms)}"
        owner = one_line(f"{key.owner.org}/{key.owner.user}", 60)
        typer.echo(
            f"{key.id}  {key.state(now_ms):<7}  {_time(key.created_at_ms)}  {owner}  {one_line(key.name, 60)}{until}"
        )


@app.command("revoke")
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as it is listed.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Revoke a key: it is not taken any more, and who reads by it is cut off.

    Runs go on as after any lost connection, unless their on_disconnect says otherwise.
    """
    _keys(data, config).revoke(id, _now_ms())
    typer.echo(f"{id} revoked")


def _keys(data: Path | None, config: Path | None) -> KeyFile:
    from headwater.settings import load_settings
    from headwater.storage.key_file import KeyFile

    return KeyFile(load_settings(config, {"data": data}).data)


def _duration_ms(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter("a number and m, h or d: 90m, 12h, 30d", param_hint="--expires")
    return int(found[1]) * _UNITS_MS[found[2]]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _shown(key: ApiKey, now_ms: int) -> dict[str, object]:
    def said(ms: int | None) -> str | None:
        return None if ms is None else datetime.fromtimestamp(ms / 1000).astimezone().isoformat(timespec="milliseconds")

    return {
        "id": key.id,
        "name": key.name,
        "org": key.owner.org,
        "user": key.owner.user,
        "state": key.state(now_ms),
        "created_at": said(key.created_at_ms),
        "expires_at": said(key.expires_at_ms),
        "revoked_at": said(key.revoked_at_ms),
    }


def _print_json(value: object) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
