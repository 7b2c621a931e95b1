"""The models: whether each row makes sense and has its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headwater.app import check_is_another
from headwater.cli.checkup.finding import Findings
from headwater.errors import ConfigError
from headwater.providers.catalog import Catalog, ModelRow, destination_of
from headwater.providers.plugins import Plugins, without_faulty
from headwater.providers.replay import NAME as REPLAY


def check_models(
    rows: Sequence[ModelRow],
    environ: Mapping[str, str],
    *,
    port: int,
    plugins: Plugins | None = None,
    hosts: Sequence[str] = (),
) -> tuple[list[ModelRow], Findings]:
    """The rows that a server on this port can call, and what was found. Without any network."""
    plugins = plugins or Plugins()
    servers = plugins.all_servers
    found = Findings("models")
    found.ok("`simulated` needs nothing and is always there.")
    for fault in plugins.faults.values():
        found.warning(fault, "Correct, update or uninstall the plug-in; what else is configured works.")
    if not rows and (keys := sorted({row.api_key_env or "" for row in servers.values()} & _set_in(environ))):
        found.warning(
            f"No model uses {', '.join(keys)}: the key alone adds none, and `simulated` answers.",
            "Add a row of [[models]] that names the provider.",
        )
    called, disabled = without_faulty(rows, plugins)
    for sentence in disabled:
        found.problem(sentence, "Correct or update the plug-in.")
    usable: list[ModelRow] = []
    for row in called:
        try:
            check_is_another(row, port, servers)
            catalog = Catalog.from_rows([row], environ, servers=servers, hosts=hosts)
        except ConfigError as error:
            found.problem(error.message.removeprefix("models: "), "Correct the row in [[models]], or the key it names.")
            continue
        if catalog.warnings:
            for warning in catalog.warnings:
                found.problem(warning, "Set it in the environment that the server is started in.")
            continue
        usable.append(row)
        key_env = None if row.provider == REPLAY else destination_of(row, servers).key_env
        found.ok(f"`{row.name}` by {row.provider}" + (f", with the key of {key_env}." if key_env else "."))
    for name in sorted({row.name for row in rows if sum(each.name == row.name for each in rows) > 1}):
        found.problem(f"There are two models with the name `{name}`.", "Rename one of them.")
    return usable, found


def _set_in(environ: Mapping[str, str]) -> set[str]:
    return {name for name, value in environ.items() if value.strip()}
