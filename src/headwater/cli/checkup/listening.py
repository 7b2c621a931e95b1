"""The port: whether it is free, and if not, who answers there."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import NamedTuple

from headwater.api.sockets import listen
from headwater.cli.checkup.finding import Findings
from headwater.errors import ConfigError

#: How long whoever is there may take to answer.
ASK_S = 2.0
_BYTES_MAX = 1 << 20


class Answer(NamedTuple):
    """What a Headwater says about itself."""

    version: str
    ready: bool
    why_not: str


def check_port(
    host: str, port: int, ask: Callable[[str, int], Answer | None] | None = None, *, anywhere: bool = False
) -> Findings:
    """What was found at this address, which has to be loopback unless it may be `anywhere`.

    The port is taken for an instant.
    """
    found = Findings("address")
    if port == 0:
        found.ok("The port is 0: a free one is taken at the start.")
        return found
    try:
        for each in listen(host, port, anywhere=anywhere):
            each.close()
    except ConfigError as error:
        answer = (ask or ask_headwater)(host, port)
        if answer is None:
            found.problem(error.message, "Another program has it; choose another port with --port, or end that one.")
        elif answer.ready:
            found.ok(f"A Headwater {answer.version} answers at {host} port {port}, and is ready.")
        else:
            found.warning(f"A Headwater {answer.version} answers at {host} port {port}: {answer.why_not}")
    else:
        found.ok(f"{host} port {port} is free.")
    return found


def ask_headwater(host: str, port: int) -> Answer | None:
    """Who answers there, if it is a Headwater."""
    described = _get(host, port, "/openapi.json")
    info = described[1].get("info") if described else None
    if not isinstance(info, dict) or info.get("title") != "Headwater":
        return None
    health = _get(host, port, "/readyz")
    if health is None:
        return Answer(str(info.get("version")), False, "It does not say whether it is ready.")
    status, body = health
    return Answer(str(info.get("version")), status == 200, str(body.get("detail", "")))


def _get(host: str, port: int, path: str) -> tuple[int, dict[str, object]] | None:
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=ASK_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = json.loads(response.read(_BYTES_MAX))
        return (response.status, body) if isinstance(body, dict) else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
