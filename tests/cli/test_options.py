from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from headwater.cli import app
from headwater.cli.options import DEFAULT_URL, KEY_VARIABLE, connect, key_headers
from headwater.client import service
from headwater.client.errors import NetworkError
from tests.kit.run_log import in_thread, json_answer, run_json
from tests.kit.upstream import EndWithoutTerminator, Stall


def test_the_address_may_come_from_the_environment() -> None:
    with in_thread(json_answer(b'{"runs":[%b],"next":null}' % run_json())) as upstream:
        result = CliRunner().invoke(app, ["runs", "ls"], env={"HEADWATER_URL": upstream.origin})
    assert result.exit_code == 0
    assert len(upstream.requests) == 1


def test_a_wrong_address_is_a_wrong_command_line() -> None:
    result = CliRunner().invoke(app, ["runs", "ls", "--url", "localhost"])
    assert result.exit_code == 2
    assert "http://127.0.0.1:8000" in " ".join(result.stderr.split())


def test_a_key_in_the_environment_is_shown_and_what_can_be_none_is_not_repeated() -> None:
    with in_thread(json_answer(b'{"runs":[%b],"next":null}' % run_json()), json_answer(run_json())) as upstream:
        environ = {"HEADWATER_URL": upstream.origin, KEY_VARIABLE: " hw_x\n"}
        assert CliRunner().invoke(app, ["runs", "ls"], env=environ).exit_code == 0
    assert upstream.requests[0].headers["authorization"] == "Bearer hw_x"
    assert key_headers({}) == key_headers({KEY_VARIABLE: " "}) == {}
    for wrong in ("hw_secret b", "hw_secret\nb", "hw_secretö"):
        with pytest.raises(typer.BadParameter) as refused:
            key_headers({KEY_VARIABLE: wrong})
        assert "secret" not in str(refused.value)


def test_the_default_is_the_clients() -> None:
    assert DEFAULT_URL == service.DEFAULT_URL


def test_that_nobody_is_there_is_told_at_once_and_a_cut_is_tried_again() -> None:
    with in_thread([EndWithoutTerminator()], json_answer(run_json())) as upstream, connect(upstream.origin) as client:
        assert client.get("run_x").id
        assert len(upstream.requests) == 2
    with in_thread([Stall()]) as upstream:
        origin = upstream.origin
    with connect(origin) as client, pytest.raises(NetworkError):
        client.get("run_x")


def test_an_address_that_is_none_says_what_one_looks_like() -> None:
    with pytest.raises(typer.BadParameter, match="like http://"):
        connect("ftp://somewhere")
