"""`headwater doctor`: what it says, to a person and to a program, and what it never says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headwater.cli import app
from headwater.storage.directory import DataDirectory
from tests.kit.product import CANARY_KEY, CANARY_VARIABLE, Product, compatible_model, free_port, toml_of
from tests.kit.terminal import Terminal
from tests.kit.upstream import ScriptedUpstream, Send, Status, Step, chat_stream


def doctor(*arguments: str, offline: bool = True, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """The exit code, and all that was said; no key is in it."""
    command = ["doctor", *(["--offline"] if offline else []), *arguments]
    done = CliRunner().invoke(app, command, env={CANARY_VARIABLE: CANARY_KEY, **(environ or {})})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert CANARY_KEY not in done.output
    return done.exit_code, done.output


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file of a server that could be started: a free port, a data directory, a model with its key."""
    path = tmp_path / "h.toml"
    model = compatible_model("mock", "http://127.0.0.1:9/v1")
    path.write_text(f'data = "{tmp_path / "data"}"\n' + toml_of({"server": {"port": free_port()}, "models": [model]}))
    return path


def test_a_good_machine_is_told_area_by_area(config: Path) -> None:
    code, said = doctor("--config", str(config))
    assert code == 0, said
    for area in ("configuration", "models", "data directory", "address", "versions", "limits", "clock", "pages"):
        assert f" {area}: " in said
    assert f"with the key of {CANARY_VARIABLE}" in said
    assert "note     providers: None was asked" in said
    assert not any(line.startswith("problem") for line in said.splitlines())
    assert "\x1b" not in said


def test_nothing_is_made_by_looking(config: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    doctor("--config", str(config))
    assert sorted(tmp_path.rglob("*")) == before


def test_json_is_for_programs(config: Path) -> None:
    code, said = doctor("--config", str(config), "--json")
    report = json.loads(said)
    assert (code, report["ok"]) == (0, True)
    assert {tuple(finding) for finding in report["findings"]} == {("area", "level", "text", "advice")}
    assert {finding["level"] for finding in report["findings"]} <= {"ok", "note", "warning"}


def test_a_missing_key_has_to_be_set(config: Path) -> None:
    code, said = doctor("--config", str(config), environ={CANARY_VARIABLE: ""})
    assert code == 1
    assert f"`{CANARY_VARIABLE}` is not set" in said
    assert "1 problem" in said


def test_a_key_in_the_configuration_is_not_repeated(config: Path) -> None:
    wrong = [
        f'api_key_env = "{CANARY_KEY}"',
        f'api_key_env = "{CANARY_VARIABLE}"\napi_key = "{CANARY_KEY}"',
    ]
    text = config.read_text()
    for line in wrong:
        config.write_text(text.replace(f'api_key_env = "{CANARY_VARIABLE}"', line))
        for form in ((), ("--json",)):
            code, said = doctor("--config", str(config), *form)
            assert code == 1
            assert "api_key" in said
    config.write_text(text.replace("http://", f"http://me:{CANARY_KEY}@"))
    assert doctor("--config", str(config))[0] == 1


def test_faults_of_the_configuration_do_not_hide_the_rest(config: Path, tmp_path: Path) -> None:
    config.write_text("[server]\nport = -1\nprot = 1\n")
    code, said = doctor("--config", str(config), "--data", str(tmp_path))
    assert code == 1
    assert "`server.port`" in said
    assert "`server.prot`" in said
    assert " data directory: " in said
    assert " versions: " in said


def test_a_directory_that_is_held_is_only_read(config: Path, tmp_path: Path) -> None:
    server = DataDirectory(tmp_path / "data", 0)
    server.hold()
    code, said = doctor("--config", str(config))
    server.let_go()
    assert code == 0
    assert "it is only read here" in said
    assert "disk sync" not in said


@pytest.mark.slow
def test_signs_and_colours_at_a_terminal(config: Path) -> None:
    with Terminal("doctor", "--config", str(config), environ={CANARY_VARIABLE: ""}) as terminal:
        assert terminal.wait() == 1
    assert "✗ The model `mock` can not be called" in terminal.shown
    assert "✓ " in terminal.shown
    assert b"\x1b[31m" in terminal.raw


@pytest.mark.slow
async def test_beside_a_running_server_everything_is_fine(tmp_path: Path) -> None:
    async with ScriptedUpstream([Status(200, {"Content-Type": "application/json"})]) as upstream:
        models = [compatible_model("mock", upstream.base_url)]
        async with Product(tmp_path / "data", config={"models": models}) as product:
            config = tmp_path / "d.toml"
            config.write_text(toml_of({"server": {"port": product.port}, "models": models}))
            where = ("--config", str(config), "--data", str(product.data))
            offline = await asyncio.to_thread(doctor, *where)
            assert upstream.requests == []
            online = await asyncio.to_thread(doctor, *where, offline=False)
            assert [request.path for request in upstream.requests] == ["/v1/models"]
    for code, said in (offline, online):
        assert code == 0, said
        assert "A Headwater" in said
        assert "it is only read here" in said
    assert f"{upstream.base_url} answers (200)" in online[1]


def test_a_provider_that_is_not_there_is_a_problem_and_its_neighbour_is_tried_all_the_same(tmp_path: Path) -> None:
    """That nobody listens at port 9 is what the fixture's model has, too."""
    config = tmp_path / "d.toml"
    models = [compatible_model(f"m{port}", f"http://127.0.0.1:{port}/v1") for port in (9, 13)]
    config.write_text(toml_of({"server": {"port": free_port()}, "models": models}))
    code, said = doctor("--config", str(config), "--data", str(tmp_path), offline=False)
    assert code == 1
    assert [line.split(":")[0] for line in said.splitlines() if "can not be reached" in line] == [
        "problem  providers"
    ] * 2
    assert "2 problems" in said


def test_without_a_configured_provider_none_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("headwater.cli.checkup.providers.check_servers", asked)
    config = tmp_path / "d.toml"
    config.write_text(toml_of({"server": {"port": free_port()}}))
    code, said = doctor("--config", str(config), "--data", str(tmp_path), offline=False)
    assert (code, " providers: " in said) == (0, False), said


def test_a_call_can_not_be_had_offline(config: Path) -> None:
    code, said = doctor("--config", str(config), "--call")
    assert (code, "leave out one of the two" in " ".join(said.split())) == (2, True), said


async def test_models_are_called_where_that_is_asked_for_and_only_there(tmp_path: Path) -> None:
    listed: list[Step] = [Status(200, {"Content-Type": "application/json"}), Send(b"{}")]
    async with ScriptedUpstream(listed, chat_stream(["Hi"])) as upstream:
        config = tmp_path / "d.toml"
        models = [compatible_model("mock", upstream.base_url)]
        config.write_text(toml_of({"server": {"port": free_port()}, "models": models}))
        where = ("--config", str(config), "--data", str(tmp_path))
        code, said = await asyncio.to_thread(doctor, *where, "--call", offline=False)
        assert [(request.method, request.path) for request in upstream.requests] == [
            ("GET", "/v1/models"),
            ("POST", "/v1/chat/completions"),
        ]
    assert code == 0, said
    assert "`mock` answers, its first word after" in said
