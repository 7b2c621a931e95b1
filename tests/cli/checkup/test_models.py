from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.cli.checkup.finding import Findings, Level
from headwater.cli.checkup.models import check_models
from headwater.cli.checkup.providers import check_servers
from headwater.providers.catalog import ModelRow
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.plugins import Plugins
from headwater.providers.servers import ServerRow
from tests.kit.upstream import ScriptedUpstream, Status

KEY = {"K": "sk-canary-49a1"}
PORT = 8100


def rows(**fields: Any) -> list[ModelRow]:
    return [ModelRow(name="m", **fields)]


def worst(found: Findings) -> tuple[Level, str]:
    """All but what is always there."""
    assert "sk-canary" not in str(found)
    (finding,) = [each for each in found if "`simulated`" not in each.text]
    return finding.level, finding.text


def test_simulated_needs_nothing() -> None:
    usable, found = check_models([], {}, port=PORT)
    assert usable == []
    assert [finding.level for finding in found] == [Level.OK]


@pytest.mark.parametrize(
    ("wanted", "environ", "told"),
    [
        ([], {"OPENAI_API_KEY": "sk-canary-49a1"}, True),
        ([], {"OPENAI_API_KEY": " "}, False),
        ([], {"PATH": "/bin"}, False),
        (rows(provider="ollama"), {"OPENAI_API_KEY": "sk-canary-49a1"}, False),
    ],
)
def test_a_key_that_no_model_uses_is_a_warning_where_there_is_no_model(
    wanted: list[ModelRow], environ: dict[str, str], told: bool
) -> None:
    _, found = check_models(wanted, environ, port=PORT)
    assert "sk-canary" not in str(found)
    warnings = [finding.text for finding in found if finding.level is Level.WARNING]
    assert (["No model uses OPENAI_API_KEY" in text for text in warnings]) == ([True] if told else [])


def test_a_model_at_the_server_s_own_address_is_a_problem() -> None:
    usable, found = check_models(rows(provider="vllm"), {}, port=8000)
    level, text = worst(found)
    assert (usable, level) == ([], Level.PROBLEM)
    assert "this server's own address" in text


def test_a_row_with_its_key_is_good_and_the_key_is_not_said() -> None:
    wanted = rows(provider="groq", api_key_env="K")
    usable, found = check_models(wanted, KEY, port=PORT)
    assert usable == wanted
    assert worst(found) == (Level.OK, "`m` by groq, with the key of K.")


@pytest.mark.parametrize("environ", [{}, {"GROQ_API_KEY": ""}, {"GROQ_API_KEY": " \n"}])
def test_a_missing_key_is_a_problem(environ: dict[str, str]) -> None:
    usable, found = check_models(rows(provider="groq"), environ, port=PORT)
    level, text = worst(found)
    assert (usable, level) == ([], Level.PROBLEM)
    assert "`GROQ_API_KEY` is not set" in text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"provider": "groc"}, "`groq`"),
        ({"provider": "openai_chat"}, "needs a base_url"),
        ({"provider": "openai_chat", "base_url": "http://127.0.0.1:1/v1"}, "base_url"),
        ({"provider": "openai_chat", "base_url": "https://me:sk-canary-49a1@a.example/v1"}, "user name or a password"),
        ({"provider": "replay", "file": Path("none.sse")}, r"none.sse"),
    ],
)
def test_a_row_that_can_not_be_used_is_a_problem(fields: dict[str, Any], said: str) -> None:
    usable, found = check_models(rows(**fields), KEY, port=PORT)
    level, text = worst(found)
    assert (usable, level) == ([], Level.PROBLEM)
    assert said in text


def test_one_bad_row_hides_no_other_and_a_name_is_given_once() -> None:
    usable, found = check_models(
        [*rows(provider="ollama"), *rows(provider="none"), *rows(provider="vllm")], {}, port=PORT
    )
    assert len(usable) == 2
    assert sum(finding.level is Level.PROBLEM for finding in found) == 2
    assert "two models with the name `m`" in found[-1].text


def test_a_broken_plug_in_is_a_warning_and_its_model_a_problem() -> None:
    plugins = Plugins(faults={"acme": "The plug-in `acme` (acme:SERVER) is disabled: it can not be imported."})
    usable, found = check_models(rows(provider="acme"), {}, port=PORT, plugins=plugins)
    assert usable == []
    warning, problem = [each for each in found if "acme" in each.text]
    assert (warning.level, problem.level) == (Level.WARNING, Level.PROBLEM)
    assert "disabled" in warning.text
    assert "The model `m` can not be called" in problem.text


async def test_a_plug_in_s_server_is_one_like_others() -> None:
    async with ScriptedUpstream([Status(200)]) as upstream:
        row = ServerRow(dialect=OpenAIChat, base_url=upstream.base_url, api_key_env="K", is_local=True)
        plugins = Plugins(servers={"acme": row})
        usable, found = check_models(rows(provider="acme"), KEY, port=PORT, plugins=plugins)
        assert worst(found) == (Level.OK, "`m` by acme, with the key of K.")
        assert worst(await check_servers(usable, KEY, plugins.all_servers))[0] is Level.NOTE
        assert upstream.requests[0].headers["authorization"] == "Bearer sk-canary-49a1"
