"""The models: whether each row makes sense, has its key, and, if asked, whether its server answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aiohttp

from headwater.app import check_is_another
from headwater.cli.checkup.finding import Findings
from headwater.errors import ConfigError
from headwater.providers.catalog import Catalog, Destination, ModelRow, auth_of, destination_of
from headwater.providers.egress import Egress
from headwater.providers.plugins import Plugins, without_faulty
from headwater.providers.replay import NAME as REPLAY
from headwater.providers.servers import SERVERS, ServerRow

#: How long a server may take to answer.
PROBE_S = 10.0


def check_models(
    rows: Sequence[ModelRow], environ: Mapping[str, str], *, port: int, plugins: Plugins | None = None
) -> tuple[list[ModelRow], Findings]:
    """The rows that a server on this port can call, and what was found. Without any network."""
    plugins = plugins or Plugins()
    servers = plugins.all_servers
    found = Findings("models")
    found.ok("`simulated` needs nothing and is always there.")
    for fault in plugins.faults.values():
        found.warning(fault, "Correct, update or uninstall the plug-in; what else is configured works.")
    called, disabled = without_faulty(rows, plugins)
    for sentence in disabled:
        found.problem(sentence, "Correct or update the plug-in.")
    usable: list[ModelRow] = []
    for row in called:
        try:
            check_is_another(row, port, servers)
            catalog = Catalog.from_rows([row], environ, servers=servers)
        except ConfigError as error:
            found.problem(f"{error.message}", "Correct the row in [[models]].")
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


async def check_servers(
    rows: Sequence[ModelRow], environ: Mapping[str, str], servers: Mapping[str, ServerRow] = SERVERS
) -> Findings:
    """Asks each model's server for its list of models, with the model's key: over the network, at no cost."""
    found = Findings("providers")
    asked: set[tuple[str, str | None]] = set()
    for row in rows:
        if row.provider == REPLAY:
            continue
        place = destination_of(row, servers)
        if (place.base_url, place.key_env) not in asked:
            asked.add((place.base_url, place.key_env))
            await _ask(place, environ, found)
    return found


async def _ask(place: Destination, environ: Mapping[str, str], found: Findings) -> None:
    where = place.base_url.rstrip("/")
    try:
        async with (
            aiohttp.ClientSession(
                connector=Egress(place.allow_private).connector(1),
                timeout=aiohttp.ClientTimeout(total=PROBE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            ) as session,
            session.get(
                f"{where}/models", headers=auth_of(place, environ).headers(), allow_redirects=False
            ) as response,
        ):
            status = response.status
    except TimeoutError:
        found.problem(
            f"{where} did not answer within {PROBE_S:g} s.", "Is the server up, and may this machine call out?"
        )
    except (aiohttp.ClientError, OSError) as error:
        cause = getattr(error, "os_error", error)
        found.problem(f"{where} can not be reached: {cause}.", "Is the address right, and the server up?")
    else:
        if status in (401, 403):
            found.problem(
                f"{where} answers, but does not take the key ({status}).",
                f"Look at what {place.key_env} holds." if place.key_env else "Name the key's variable in api_key_env.",
            )
        elif 300 <= status < 400:
            found.problem(f"{where} redirects ({status}), which is never followed.", "Set base_url to where it is.")
        elif status >= 500:
            found.warning(f"{where} answers {status}: it has a trouble of its own.", "Try again later.")
        else:
            found.ok(f"{where} answers ({status}).")
