"""The example of a plug-in, really installed: its own tests, a run on a real server, and a broken one beside it."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.scene import Scene, error_of
from tests.kit.aimock import Aimock
from tests.kit.client import call
from tests.kit.product import CANARY_KEY, CANARY_VARIABLE, Product
from tests.kit.upstream import ScriptedUpstream, error_answer, play

EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "third_party_provider"
PLUGIN: Final = EXAMPLE / "headwater_cohere.py"
RECORDING: Final = EXAMPLE / "recordings" / "answer.sse"
CODE_LINES_MAX: Final = 59

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what pip makes of the example: without network, without what it depends on."""
    work = tmp_path_factory.mktemp("plugin")
    source = work / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-qq"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(work / "site"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return work / "site"


def beside(*places: Path) -> dict[str, str]:
    """An environment in which these directories are looked at before what is there."""
    here = [Path(each).resolve() for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    return {"PYTHONPATH": os.pathsep.join(map(str, [*places, *here]))}


#: Entry points that lead nowhere, to nothing, to the wrong thing, and one that takes a name of ours.
BROKEN: Final = {
    "gone": "not_there_at_all:SERVER",
    "raising": "broken:ROW",
    "odd": "broken:SERVER",
    "openai": "broken:SERVER",
}

#: Looks whole, and fails at the first word, quoting all that it knows.
LATE: Final = """
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.servers import ServerRow


class Late(OpenAIChat):
    name = "late"

    def decoder(self, request):
        decoder = super().decoder(request)
        decoder.feed = lambda frame: {}[frame.data, request]
        return decoder


SERVER = ServerRow(dialect=Late)
"""


def broken_plugin(site: Path) -> Path:
    """Installs a distribution with these entry points, as far as Python can tell."""
    facts = site / "headwater_broken-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "late.py").write_text(LATE)
    (site / "broken.py").write_text('SERVER = object()\n\n\ndef __getattr__(name):\n    raise RuntimeError("no")\n')
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: headwater-broken\nVersion: 1.0\n")
    lines = [f"{name} = {place}" for name, place in {**BROKEN, "late": "late:SERVER"}.items()]
    (facts / "entry_points.txt").write_text("\n".join(["[headwater.providers]", *lines, ""]))
    return site


def row(name: str, base_url: str, provider: str) -> dict[str, object]:
    return {
        "name": name,
        "provider": provider,
        "base_url": base_url,
        "allow_private": True,
        "api_key_env": CANARY_VARIABLE,
    }


def test_a_provider_takes_less_than_sixty_lines() -> None:
    """Of code: neither empty lines nor the module's docstring are counted."""
    text = PLUGIN.read_text(encoding="utf-8")
    docstring = ast.parse(text).body[0]
    assert isinstance(docstring, ast.Expr)
    lines = [line for line in text.splitlines()[docstring.end_lineno :] if line.strip()]
    assert len(lines) <= CODE_LINES_MAX


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    # Without the module beside them, so that what was installed is tested.
    shutil.copytree(EXAMPLE, tmp_path / "copy", ignore=shutil.ignore_patterns(PLUGIN.name, "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path / "copy",
        env={**os.environ, **beside(installed)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


async def test_a_run_goes_through_the_plug_in(installed: Path, data_dir: Path) -> None:
    async with ScriptedUpstream(play(RECORDING.read_bytes(), 7)) as upstream:
        config = {"models": [row("command", upstream.base_url, "cohere")]}
        async with Product(data_dir, config=config, environ=beside(installed)) as product:
            scene = Scene(product)
            end = await scene.end(await scene.start("Hello", model="command", settings={"temperature": 0.5}))
            assert end.type == "complete"
            assert end.data["final_response"] == "Hello! How are you today? 👋🏽"
            assert end.data["usage"]["output_tokens"] == 17
            refused = await call(
                product.port,
                "POST",
                "/api/v1/runs",
                {"model": "command", "messages": [{"role": "user", "content": "Hello"}], "settings": {"seed": 7}},
            )
            assert (refused.status, refused.json()["code"]) == (422, "UNSUPPORTED")
            await scene.judge()
        sent = upstream.requests[0]
        assert (sent.method, sent.path) == ("POST", "/v1/chat")
        assert sent.json["temperature"] == 0.5
        assert len(upstream.requests) == 1


async def test_it_reads_what_others_take_for_cohere(installed: Path, data_dir: Path) -> None:
    """The recording was written after Cohere's documents by us, and aimock's answer after them by others."""
    text = "Grüße vom Reiher 🪶, who stands in the reeds."
    usage = {"input_tokens": 5, "output_tokens": 7}
    fixtures = [
        {"match": {"userMessage": "whole"}, "response": {"content": text, "usage": usage}, "chunkSize": 5},
        {"match": {"userMessage": "cut"}, "response": {"content": text}, "chunkSize": 5, "truncateAfterChunks": 5},
    ]
    async with Aimock(fixtures, CANARY_KEY) as mock:
        config = {"models": [row("command", f"{mock.url}/v2", "cohere")]}
        async with Product(data_dir, config=config, environ=beside(installed)) as product:
            scene = Scene(product)
            end = await scene.end(await scene.start("whole", model="command"))
            assert (end.type, end.data["final_response"]) == ("complete", text)
            assert (end.data["usage"]["input_tokens"], end.data["usage"]["output_tokens"]) == (5, 7)
            cut = await scene.end(await scene.start("cut", model="command"))
            assert error_of(cut) in ("TRUNCATED", "NETWORK")


async def test_a_refusal_is_read_by_the_plug_in(installed: Path, data_dir: Path) -> None:
    async with ScriptedUpstream(error_answer(401, "invalid api token")) as upstream:
        config = {"models": [row("command", upstream.base_url, "cohere")]}
        async with Product(data_dir, config=config, environ=beside(installed)) as product:
            scene = Scene(product)
            end = await scene.end(await scene.start("Hello", model="command"))
            assert (end.type, end.data["code"]) == ("error", "AUTH")


async def test_a_broken_plug_in_is_told_of_and_stops_nothing(installed: Path, data_dir: Path, tmp_path: Path) -> None:
    site = broken_plugin(tmp_path / "broken")
    async with ScriptedUpstream(play(RECORDING.read_bytes())) as upstream:
        rows = [row("command", upstream.base_url, "cohere"), row("lost", upstream.base_url, "gone")]
        product = Product(data_dir, config={"models": rows}, environ=beside(site, installed))
        async with product:
            scene = Scene(product)
            end = await scene.end(await scene.start("Hello", model="command"))
            assert end.type == "complete"
            listed = (await call(product.port, "GET", "/api/v1/models")).json()["models"]
            assert [model["name"] for model in listed] == ["simulated", "command"]
            for name in BROKEN:
                assert f"The plug-in `{name}` (" in product.log_text
            assert "The model `lost` can not be called: its plug-in `gone` is disabled." in product.log_text
        doctor = [sys.executable, "-m", "headwater", "doctor", "--json", "--config", str(tmp_path / "data.toml")]
        process = await asyncio.create_subprocess_exec(
            *doctor, env={**os.environ, **product.environ}, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
    found = {finding["text"]: finding["level"] for finding in json.loads(said)["findings"]}
    levels = [level for text, level in found.items() if "plug-in" in text]
    assert sorted(levels) == ["problem", *["warning"] * 4]


async def test_a_plug_in_that_fails_in_a_call_fails_that_call_only(data_dir: Path, tmp_path: Path) -> None:
    site = broken_plugin(tmp_path / "broken")
    async with ScriptedUpstream() as upstream:
        rows = [row("late", upstream.base_url, "late"), row("sound", upstream.base_url, "openai_chat")]
        async with Product(data_dir, config={"models": rows}, environ=beside(site)) as product:
            scene = Scene(product)
            end = await scene.end(await scene.start("PromptKanarie", model="late"))
            assert (end.type, end.data["code"], end.data["retryable"]) == ("error", "SERVER", False)
            assert "plug-in" in end.data["message"]
            assert (await scene.end(await scene.start("Hello", model="sound"))).type == "complete"
            assert len(upstream.requests) == 2
        for quoted in ("PromptKanarie", "chatcmpl-1"):
            assert quoted not in product.log_text
