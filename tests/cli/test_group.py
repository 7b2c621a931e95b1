from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import headwater
from headwater.cli import app
from headwater.cli.group import hint
from headwater.client.errors import NetworkError, ParseError, RunFailed, ServerError
from headwater.domain.event import Error
from headwater.errors import ConfigError, HeadwaterError
from tests.kit.run_log import in_thread, json_answer, run_json
from tests.kit.upstream import Stall


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version(word: str) -> None:
    assert CliRunner().invoke(app, [word]).stdout == f"headwater {headwater.__version__}\n"


def test_it_is_a_module_too() -> None:
    command = [sys.executable, "-m", "headwater", "version"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.startswith("headwater ")


@pytest.mark.parametrize("command", [["--help"], ["runs", "--help"], ["chat", "--help"], ["serve", "--help"]])
def test_help_is_there_and_loads_neither_server_nor_client(command: list[str]) -> None:
    code = (
        "import sys; from headwater.cli import app\n"
        f"try: app(args={command!r})\n"
        "except SystemExit: print(sorted({'aiohttp', 'uvicorn', 'httpx2', 'rich.markdown'} & sys.modules.keys()))"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "Usage: " in shown
    assert shown.splitlines()[-1] == "[]"


def test_nobody_there_is_a_sentence_with_a_way_out() -> None:
    with in_thread([Stall()]) as upstream:
        origin = upstream.origin
    for command in (["runs", "ls"], ["chat", "Hi"], ["runs", "show", "run_x"]):
        result = CliRunner().invoke(app, [*command, "--url", origin])
        assert result.exit_code == 1
        assert result.stderr.startswith(f"headwater: There is no server at {origin}. Start one with `headwater serve`")
        assert result.stderr.count("\n") == 1


def test_whoever_has_enough_may_close_the_pipe() -> None:
    page = b'{"runs":[%b],"next":null}' % b",".join([run_json()] * 20_000)
    with in_thread(json_answer(page)) as upstream:
        command = [sys.executable, "-m", "headwater", "runs", "ls", "--url", upstream.origin]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait() == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigError("No such file"), "No such file."),
        (ParseError("What is this?"), "What is this?"),
        (NetworkError("Gone"), "Gone."),
        (RunFailed(Error("AUTH", "The provider takes another key", False)), "The provider takes another key."),
        (
            ServerError(401, {"code": "AUTH", "detail": "No key"}),
            "No key. The variable HEADWATER_API_KEY is where it is looked for; `headwater keys create` makes one.",
        ),
    ],
)
def test_an_error_is_a_sentence(error: HeadwaterError, said: str) -> None:
    assert hint(error) == said


@pytest.mark.parametrize("command", [["chat", "a\udcff"], ["chat", "Hi", "-m", "\udcff"], ["runs", "show", "\udcff"]])
def test_what_is_not_utf_8_is_said_so(command: list[str]) -> None:
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "not text in UTF-8" in result.stderr
