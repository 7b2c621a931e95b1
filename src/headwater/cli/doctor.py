"""`headwater doctor`: looks at everything that a server needs, and says what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headwater.cli.group import Exit
from headwater.cli.options import Json
from headwater.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headwater.cli.checkup.finding import Finding

Config = Annotated[Path | None, typer.Option(dir_okay=False, help="The TOML file that the server is started with.")]
Data = Annotated[Path | None, typer.Option(file_okay=False, help="The data directory.  [default: data]")]
Offline = Annotated[bool, typer.Option("--offline", help="Ask no provider: nothing outside this machine is called.")]
Call = Annotated[bool, typer.Option("--call", help="Have each model say a word, which may cost something.")]

_SIGNS: Final = {"ok": ("✓", "green"), "note": ("·", "cyan"), "warning": ("!", "yellow"), "problem": ("✗", "red")}


def doctor(
    config: Config = None, data: Data = None, offline: Offline = False, call: Call = False, json: Json = False
) -> None:
    """Check the configuration, keys, providers, the disk, the installation, and say what to do.

    Nothing is changed. Every configured provider is asked for its models, all at once and for at most 5 s, which costs
    nothing; without --call no model is called. Exit code: 0 nothing has to be done, 1 something has to.
    """
    import os

    if offline and call:
        raise typer.BadParameter("a model can not be called without asking its provider: leave out one of the two.")
    findings = examine(config, data, os.environ, online=not offline, call=call)
    problems = sum(finding.level == "problem" for finding in findings)
    if json:
        import msgspec

        report = {"ok": not problems, "findings": [finding._asdict() for finding in findings]}
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        _show(findings)
    raise typer.Exit(Exit.FAILED if problems else Exit.OK)


def examine(
    config: Path | None, data: Path | None, environ: Mapping[str, str], *, online: bool, call: bool = False
) -> list[Finding]:
    """Every finding, area by area. What can not be looked at without readable settings is left out."""
    import asyncio

    from headwater.app import model_rows
    from headwater.cli.checkup import (
        configuration,
        data_directory,
        database,
        disk_sync,
        listening,
        machine,
        models,
        providers,
        workflows,
    )
    from headwater.providers.plugins import installed_plugins
    from headwater.workflows.plugins import installed_workflows

    settings, findings = configuration.check_configuration(config, data, environ)
    all_of: list[Finding] = [*findings]
    if settings is not None:
        plugins = installed_plugins()
        usable, found = models.check_models(
            model_rows(settings),
            environ,
            port=settings.server.port,
            plugins=plugins,
            hosts=settings.egress.hosts,
        )
        all_of += found
        if not online:
            all_of += providers.not_asked(usable)
        elif usable:
            all_of += asyncio.run(providers.check_servers(usable, environ, plugins.all_servers))
        if call:
            all_of += asyncio.run(providers.check_calls(usable, environ, plugins.all_servers))
    all_of += workflows.check_workflows(installed_workflows())
    newest_ms = None
    path = data if settings is None else settings.data
    if path is not None:
        found, is_ours = data_directory.check_directory(path)
        all_of += found
        if path.is_dir():
            all_of += disk_sync.check_sync(path) if is_ours else []
            all_of += database.check_database(path)
            newest_ms = database.newest_run_ms(path)
    if settings is not None:
        all_of += listening.check_port(
            settings.server.host, settings.server.port, anywhere=settings.server.keys == "required"
        )
    all_of += machine.check_versions()
    all_of += machine.check_sqlite()
    all_of += machine.check_open_files()
    all_of += machine.check_clock(newest_ms)
    all_of += machine.check_pages()
    all_of += machine.check_local_model(wanted=settings is not None and settings.local)
    return all_of


def _show(findings: list[Finding]) -> None:
    """For a person: signs and colours at a terminal, words where it goes elsewhere."""
    if not sys.stdout.isatty():
        for finding in findings:
            typer.echo(printable(f"{finding.level:<8} {finding.area}: {finding.text}"))
            if finding.advice:
                typer.echo(printable(f"         → {finding.advice}"))
        typer.echo(_summary(findings))
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            console.print(Text(area, "bold"))
        sign, colour = _SIGNS[finding.level]
        line = Text.assemble((f"{sign} ", colour), printable(finding.text))
        console.print(Padding(line, (0, 0, 0, 2)))
        if finding.advice:
            console.print(Padding(Text(f"→ {printable(finding.advice)}", colour), (0, 0, 0, 4)))
    console.print()
    console.print(Text(_summary(findings), "bold"))


def _summary(findings: list[Finding]) -> str:
    counts = {word: sum(finding.level == word for finding in findings) for word in ("problem", "warning")}
    said = [f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items() if count]
    return " and ".join(said) + "." if said else "Everything is fine."
