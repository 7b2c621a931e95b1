"""The migration guide: what it shows as before and as after does what it says, over connections that break too."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from tests.docs.test_readme import ROOT, URL, blocks
from tests.kit.client import call
from tests.kit.environment import python_with
from tests.kit.product import CANARY_VARIABLE, Product
from tests.kit.provider_apis import ANSWER, checking
from tests.kit.proxy import Fault, FaultProxy
from tests.kit.script import EndCleanly, Send, chat_chunk, chat_stream, error_answer
from tests.kit.upstream import ScriptedUpstream
from tests.web.node import CLIENT, check_types
from tests.wire.oracles import NODE, ORACLES, installed_packages

pytestmark = pytest.mark.slow

OLD_SERVER: Final = "http://127.0.0.1:9000"
OLD_PROXY: Final = "http://127.0.0.1:4000"
TOKENS: Final = [f"{number} from a spring, " for number in range(60)]
TEXT: Final = "".join(TOKENS)
#: In the middle of an answer, whichever of the forms it has.
MIDDLE: Final = 1500
#: Loads a configuration of LiteLLM's proxy as that does: settings of the library, and a router behind the API.
ROUTER: Final = """
import json, sys
config = json.loads(sys.argv[1])
for name, value in config["litellm_settings"].items():
    setattr(litellm, name, value)
router = litellm.Router(config["model_list"], **config["router_settings"])
told = [router.fallbacks, router.num_retries, router.timeout, router.allowed_fails, router.cooldown_time]
print("", json.dumps(told), sep="\\n")
asked = [{"role": "user", "content": "Where does the river begin?"}]
for chunk in router.completion(model="gpt-5-mini", messages=asked, stream=True):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
"""
#: It asks two sites for lists that it has itself.
LITELLM_ALONE: Final = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}
KEYS: Final = {"OPENAI_API_KEY": "sk-of-nobody", "ANTHROPIC_API_KEY": "sk-of-nobody-else"}


def shown(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text(encoding="utf-8")
    return [program for of, program in blocks(text) if of == language]


class Said(NamedTuple):
    code: int | None
    out: str
    complaints: str


async def said(*command: str | Path, environ: Mapping[str, str] | None = None) -> Said:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **(environ or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Said(process.returncode, out.decode(), complaints.decode())


async def by_python(program: str, **environ: str) -> Said:
    return await said(sys.executable, "-c", program, environ=environ)


async def by_node(program: str, directory: Path, **environ: str) -> Said:
    """A program with the packages of the oracles, and with our client from its sources."""
    (directory / "package.json").write_text('{"type": "module"}')
    if not (directory / "node_modules").exists():
        packages = await asyncio.to_thread(installed_packages)
        (directory / "node_modules").symlink_to(packages / "node_modules")
    local = program.replace('"@headwater/client"', f'"{CLIENT}/src/index.ts"')
    local = re.sub(r'"@headwater/client/([\w-]+)"', rf'"{CLIENT}/src/\1.ts"', local)
    (directory / "shown.ts").write_text(local, encoding="utf-8")
    return await said(NODE, directory / "shown.ts", environ=environ)


def configured(page: str, *upstreams: ScriptedUpstream) -> dict[str, Any]:
    """The page's configuration, its models in their order called at `upstreams` in the place of their providers."""
    (text,) = shown(page, "toml")
    config = tomllib.loads(text)
    for row, upstream in zip(config["models"], upstreams, strict=True):
        row.update(base_url=upstream.base_url, allow_private=True, api_key_env=CANARY_VARIABLE)
    return config


def always(_: int) -> Fault:
    return Fault(cut_at=MIDDLE)


def first_three(number: int) -> Fault:
    return Fault(cut_at=MIDDLE, by="reset" if number % 2 else "close") if number <= 3 else Fault()


@asynccontextmanager
async def old_server(directory: Path, upstream: ScriptedUpstream) -> AsyncIterator[int]:
    """The hand-written server of the page, as a process; its port."""
    (directory / "server.py").write_text(shown("migrate-sse", "python")[0], encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        # Who connects before it serves waits in the backlog.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "server:app", "--log-level", "error"),
            *("--fd", str(listening.fileno())),
            cwd=directory,
            env={**os.environ, "OPENAI_API_KEY": "sk-of-nobody", "OPENAI_BASE_URL": upstream.base_url},
            pass_fds=[listening.fileno()],
        )
        try:
            yield listening.getsockname()[1]
        finally:
            process.kill()
            await process.wait()


async def test_from_hand_written_sse(data_dir: Path, tmp_path: Path) -> None:
    (before,) = shown("migrate-sse", "js")
    after, with_the_old_server = shown("migrate-sse", "ts")
    # A token at a time: what comes together becomes one record.
    async with ScriptedUpstream(chat_stream(TOKENS, delay_s=0.005)) as upstream:
        async with old_server(tmp_path, upstream) as port, FaultProxy(port, always) as cut:
            for program, complaint in ((before, "TypeError"), (with_the_old_server, "NetworkError")):
                whole = await by_node(program.replace(OLD_SERVER, f"http://127.0.0.1:{port}"), tmp_path)
                assert (whole.code, whole.out) == (0, TEXT), whole.complaints
                broken = await by_node(program.replace(OLD_SERVER, cut.url), tmp_path)
                assert broken.code != 0
                assert TEXT.startswith(broken.out)
                assert len(broken.out) < len(TEXT)
                assert complaint in broken.complaints
        async with Product(data_dir, config=configured("migrate-sse", upstream)) as product:
            async with FaultProxy(product.port, first_three) as proxy:
                seen = await by_node(after.replace(URL, proxy.url), tmp_path)
                assert (seen.code, seen.out) == (0, TEXT), seen.complaints
                assert 0 < proxy.cuts <= 3


async def test_from_hand_written_sse_half_an_answer_is_not_a_whole_one(data_dir: Path, tmp_path: Path) -> None:
    (before,) = shown("migrate-sse", "js")
    after, _ = shown("migrate-sse", "ts")
    async with ScriptedUpstream([Send(chat_chunk("Half of ")), EndCleanly()]) as upstream:
        async with old_server(tmp_path, upstream) as port:
            taken = await by_node(before.replace(OLD_SERVER, f"http://127.0.0.1:{port}"), tmp_path)
            assert (taken.code, taken.out) == (0, "Half of ")
        async with Product(data_dir, config=configured("migrate-sse", upstream)) as product:
            seen = await by_node(after.replace(URL, product.url), tmp_path)
            assert (seen.code, seen.out) == (1, "Half of ")
            (run,) = (await call(product.port, "GET", "/api/v1/runs")).json()["runs"]
            records = (await call(product.port, "GET", f"/v1/stream/runs/{run['id']}")).json()
            assert (records[-1]["type"], records[-1]["data"]["code"]) == ("error", "TRUNCATED")
            assert records[-1]["data"]["message"] in seen.complaints


async def test_from_openai_s_sdk(data_dir: Path, tmp_path: Path) -> None:
    before, after, _ = shown("migrate-openai", "python")
    before_in_node, after_in_node = shown("migrate-openai", "js")
    async with ScriptedUpstream(chat_stream(TOKENS)) as upstream:
        older = {"OPENAI_BASE_URL": upstream.base_url, **KEYS}
        async with Product(data_dir, config=configured("migrate-openai", upstream)) as product:
            for seen in (
                await by_python(before, **older),
                await by_node(before_in_node, tmp_path, **older),
                await by_python(after.replace(URL, product.url)),
                await by_node(after_in_node.replace(URL, product.url), tmp_path),
                # The page says that the environment does it, too.
                await by_python(before, OPENAI_BASE_URL=f"{product.url}/v1", OPENAI_API_KEY="unused"),
            ):
                assert (seen.code, seen.out) == (0, TEXT), seen.complaints
            listed = (await call(product.port, "GET", "/api/v1/runs")).json()["runs"]
            assert [run["state"] for run in listed] == ["completed"] * 3


async def test_from_openai_s_sdk_one_comes_back(data_dir: Path, seeded: random.Random) -> None:
    *_, program = shown("migrate-openai", "python")

    def plan(number: int) -> Fault:
        if number > 6:
            return Fault()
        # The first connection starts the response as well: a start that is not heard is another matter.
        return Fault(seeded.randrange(4000 if number == 1 else 600, 6000), seeded.choice(["close", "reset"]))

    async with ScriptedUpstream(chat_stream(TOKENS, delay_s=0.01)) as upstream:
        async with Product(data_dir, config=configured("migrate-openai", upstream)) as product:
            async with FaultProxy(product.port, plan) as proxy:
                seen = await by_python(program.replace(URL, proxy.url))
                assert (seen.code, seen.out) == (0, TEXT), seen.complaints
                assert proxy.cuts > 0
        assert len(upstream.requests) == 1


@pytest.mark.timeout(900)  # where the environment is made, and no uv reaches a registry
async def test_lite_llm_itself_runs_the_library_s_program_and_the_list_of_models() -> None:
    """One process for both, for LiteLLM takes some ten seconds to be imported."""
    _, with_the_library, _ = shown("migrate-litellm", "python")
    (listed,) = shown("migrate-litellm", "yaml")
    python = await asyncio.to_thread(python_with, "litellm")
    away, no_credit = error_answer(503, "away", kind="server_error"), error_answer(401, "no credit")
    async with (
        ScriptedUpstream(*[away] * 3, no_credit) as first,
        ScriptedUpstream(checking(), no_credit) as second,
        ScriptedUpstream(chat_stream(TOKENS)) as third,
    ):
        config = yaml.safe_load(listed)
        config["model_list"][2]["litellm_params"]["api_base"] = third.base_url
        addresses = {"OPENAI_BASE_URL": first.base_url, "ANTHROPIC_BASE_URL": second.origin}
        seen = await said(
            *(python, "-c", with_the_library + ROUTER, json.dumps(config)),
            environ={**KEYS, **addresses, **LITELLM_ALONE},
        )
        assert seen.code == 0, seen.complaints
        # Among them are its own remarks on each failure.
        lines = seen.out.split("\n")
        (told,) = (number for number, line in enumerate(lines) if line.startswith("[["))
        assert (lines[told - 1], lines[-1]) == (ANSWER, TEXT)
        assert json.loads(lines[told]) == [[{"gpt-5-mini": ["claude", "house"]}], 2, 600, 4, 15]
        assert len(first.requests) >= 4
        assert [len(each.requests) for each in (second, third)] == [2, 1]


async def test_from_lite_llm(data_dir: Path) -> None:
    before, _, after = shown("migrate-litellm", "python")
    async with (
        ScriptedUpstream(error_answer(401, "no")) as first,
        ScriptedUpstream(error_answer(400, "no credit", kind="insufficient_quota")) as second,
        ScriptedUpstream(chat_stream(TOKENS)) as third,
        Product(data_dir, config=configured("migrate-litellm", first, second, third)) as product,
    ):
        seen = await by_python(before.replace(OLD_PROXY, third.origin))
        assert (seen.code, seen.out) == (0, TEXT), seen.complaints
        seen = await by_python(after.replace(URL, product.url))
        assert (seen.code, seen.out) == (0, TEXT), seen.complaints
        (run,) = (await call(product.port, "GET", "/api/v1/runs")).json()["runs"]
        records = (await call(product.port, "GET", f"/v1/stream/runs/{run['id']}")).json()
        steps = [each["data"]["state"] for each in records if each["type"] == "status"]
        assert steps.count("falling_back") == 2
        assert [len(each.requests) for each in (first, second, third)] == [1, 1, 2]


def test_both_lists_of_models_say_the_same() -> None:
    (older,) = (yaml.safe_load(text) for text in shown("migrate-litellm", "yaml"))
    (newer,) = (tomllib.loads(text) for text in shown("migrate-litellm", "toml"))
    assert [model["model_name"] for model in older["model_list"]] == [row["name"] for row in newer["models"]]
    ours = {"openai": "openai", "anthropic": "anthropic", "hosted_vllm": "vllm"}
    for model, row in zip(older["model_list"], newer["models"], strict=True):
        provider, _, name = model["litellm_params"]["model"].partition("/")
        assert (ours[provider], name) == (row["provider"], row.get("model", row["name"]))
        assert model["litellm_params"].get("api_base") == row.get("base_url")
    (fallbacks,) = older["litellm_settings"]["fallbacks"]
    header = f'"Headwater-Fallback": "{", ".join(fallbacks["gpt-5-mini"])}"'
    assert header in shown("migrate-litellm", "python")[-1]
    resilience = newer["resilience"]
    assert resilience["tries_max"] == older["litellm_settings"]["num_retries"] + 1
    assert resilience["breaker_failures"] == older["router_settings"]["allowed_fails"] + 1
    assert resilience["breaker_rest_s"] == older["router_settings"]["cooldown_time"]


@pytest.mark.parametrize("page", ["migrate", "migrate-sse", "migrate-openai", "migrate-use-chat", "migrate-litellm"])
async def test_doctor_finds_nothing_wrong_with_a_configuration(page: str, tmp_path: Path) -> None:
    (text,) = shown(page, "toml")
    config = tmp_path / "headwater.toml"
    config.write_text(text, encoding="utf-8")
    doctor = (sys.executable, "-m", "headwater", "doctor", "--offline", "--json")
    where = ("--config", config, "--data", tmp_path / "data")
    names = [row["name"] for row in tomllib.loads(text)["models"]]
    seen = await said(*doctor, *where, environ=KEYS)
    assert seen.code == 0, seen.out + seen.complaints
    assert [name for name in names if name not in seen.out] == []
    unset = await said(*doctor, *where, environ=dict.fromkeys(KEYS, ""))
    assert unset.code == 1
    assert "OPENAI_API_KEY" in unset.out


def test_what_is_shown_in_typescript_has_the_right_types(tmp_path: Path) -> None:
    """The routes with the packages that they had, the page with those of the AI SDK, the rest with our client's."""
    (routes,) = shown("migrate-use-chat", "ts")
    pages = shown("migrate-use-chat", "tsx")
    assert len(pages) == 2
    packages = {"routes": ORACLES / "resumable_stream", "pages": ORACLES}
    files = {"routes/route.ts": routes}
    files |= {f"pages/page{number}.tsx": text for number, text in enumerate(pages)}
    files |= {f"shown{number}.ts": text for number, text in enumerate(shown("migrate-sse", "ts"))}
    for name, folder in packages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "node_modules").symlink_to(installed_packages(folder) / "node_modules")
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = check_types(tmp_path, "*.ts", "routes/route.ts", "pages/*.tsx")
    assert done.returncode == 0, done.stdout + done.stderr
