"""The settings: whether they can be read, and variables that look like settings and are none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from headwater.cli.checkup.finding import Findings
from headwater.errors import ConfigError
from headwater.settings import Settings, load_settings, misnamed


def check_configuration(
    config: Path | None, data: Path | None, environ: Mapping[str, str]
) -> tuple[Settings | None, Findings]:
    """The settings as `headwater serve` would have them, or None, and what was found."""
    found = Findings("configuration")
    settings = None
    try:
        settings = load_settings(config, {"data": data})
    except ConfigError as error:
        for fault in (error.message, *error.others):
            found.problem(fault, "docs/reference/configuration.md lists every setting with its values.")
    else:
        source = f"{config} can be read" if config else "No file is given; everything has its default"
        found.ok(f"{source}.")
        if settings.log.durability == "process":
            found.warning(
                'log.durability is "process": a power cut may lose the end of what was seen.',
                'Set it to "power" unless that is meant.',
            )
    for sentence in misnamed(environ):
        found.warning(sentence, "Rename or remove it.")
    return settings, found
