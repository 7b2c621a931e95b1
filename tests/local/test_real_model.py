"""The whole product with a real model: everyone who streams from it, and everything that dies under it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final

import jsonschema
import openai
import psutil
import pydantic
import pytest
import pytest_asyncio

from headwater.client import HeadwaterClient, Message, RunRequest
from headwater.domain.event import Chunk, Complete, Record
from headwater.domain.message import Settings
from tests.acceptance.scene import Scene, error_of, until
from tests.kit.client import call
from tests.kit.product import Product
from tests.wire.oracles import NODE, ORACLES, installed_packages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

#: Callers wait for the model for as long as a loaded machine takes.
PATIENT = {"connect_s": 100}
SHORT: Final[dict[str, Any]] = {"model": "smollm2", "limits": PATIENT, "settings": {"max_tokens": 12}}
ENDLESS: Final[dict[str, Any]] = {
    "model": "smollm2",
    "limits": PATIENT,
    "settings": {"max_tokens": 1_900, "extra": {"local": {"ignore_eos": True}}},
}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "people": {"type": "integer", "maximum": 9}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
CANARY = "heron-on-the-weir"


class River(pydantic.BaseModel):
    """A schema that even a very small model can fill."""

    name: Annotated[str, pydantic.Field(max_length=20)]
    is_long: bool


def local_product(data: Path) -> Product:
    return Product(data, arguments=["--local"])


def child_of(product: Product) -> psutil.Process:
    (child,) = psutil.Process(product.pid).children()
    return child


async def output_of(*command: str | Path, stdin: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(stdin.encode())
    assert process.returncode == 0, out
    return out.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def product(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    async with local_product(tmp_path_factory.mktemp("local") / "data") as product:
        yield product


async def test_the_server_is_up_before_the_model_is(product: Product) -> None:
    # `Product` waits for readiness only; the models are listed, and the first run waits for the model.
    models = (await call(product.port, "GET", "/api/v1/models")).json()
    assert "smollm2" in [model["name"] for model in models["models"]]


async def test_curl_streams(product: Product) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": f"Hello {CANARY}"}], **SHORT})
    heads = ["-H", "Content-Type: application/json", "-H", "Accept: text/event-stream"]
    text = await output_of("curl", "-sN", f"{product.url}/api/v1/runs", *heads, "-d", body)
    records = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert records[-1]["type"] == "complete"
    assert records[-1]["data"]["usage"]["source"] == "provider"
    assert records[-1]["data"]["usage"]["output_tokens"] <= 12


async def test_the_python_client_streams(product: Product) -> None:
    request = RunRequest(model="smollm2", messages=[Message("user", "Hello")], settings=Settings(max_tokens=12))
    async with HeadwaterClient(product.url) as client:
        async with client.start_and_follow(request) as subscription:
            records: list[Record] = [record async for record in subscription]
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert isinstance(end := records[-1].event, Complete)
    text = "".join(record.event.content for record in records if isinstance(record.event, Chunk))
    assert text == end.final_response


async def test_openais_python_sdk_streams(product: Product) -> None:
    async with openai.AsyncOpenAI(base_url=f"{product.url}/v1", api_key="any", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="smollm2",
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=12,
            stream=True,
            stream_options={"include_usage": True},
        )
        run = stream.response.headers["x-run-id"]
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    (reason,) = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reason in ("stop", "length")
    assert chunks[-1].usage is not None
    assert 0 < chunks[-1].usage.completion_tokens <= 12
    # The same run is there for everyone else.
    assert (await Scene(product).show(run))["snapshot"]["text"] == text != ""


async def test_openais_python_sdk_parses_what_keeps_to_a_schema(product: Product) -> None:
    async with openai.AsyncOpenAI(base_url=f"{product.url}/v1", api_key="any", max_retries=0) as client:
        answer = await client.chat.completions.parse(
            model="smollm2",
            messages=[{"role": "user", "content": "Name a river."}],
            max_tokens=200,
            response_format=River,
        )
    (choice,) = answer.choices
    assert isinstance(choice.message.parsed, River)


async def test_openais_node_sdk_streams(product: Product) -> None:
    packages = await asyncio.to_thread(installed_packages)
    params = {"model": "smollm2", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12}
    tasks = [
        {"kind": "stream", "params": {**params, "stream_options": {"include_usage": True}}},
        {"kind": "whole", "params": params},
    ]
    asked = json.dumps({"baseURL": f"{product.url}/v1", "tasks": tasks})
    streamed, whole = json.loads(await output_of(NODE, ORACLES / "openai_sdk.mjs", packages, stdin=asked))
    deltas = [choice["delta"] for chunk in streamed["chunks"] for choice in chunk["choices"]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    assert (await Scene(product).show(streamed["run"]))["snapshot"]["text"] == text != ""
    assert 0 < streamed["chunks"][-1]["usage"]["completion_tokens"] <= 12
    assert whole["completion"]["choices"][0]["finish_reason"] in ("stop", "length")


async def test_the_command_line_streams(product: Product) -> None:
    command = [sys.executable, "-m", "headwater", "chat", "--model", "smollm2", "--url", product.url]
    assert (await output_of(*command, "Say hello.")).strip()


async def test_an_answer_keeps_to_a_schema(product: Product) -> None:
    scene = Scene(product)
    run = await scene.start("Name a city.", **{**SHORT, "settings": {"max_tokens": 200, "json_schema": SCHEMA}})
    end = await scene.end(run)
    assert end.type == "complete"
    assert end.data["finish_reason"] == "stop"
    jsonschema.validate(json.loads(end.data["final_response"]), SCHEMA)
    await scene.judge()


async def test_a_puzzle_is_analysed(product: Product) -> None:
    """Whatever it makes of it: the path is the real one, and a verdict there is in any case."""
    scene = Scene(product)
    limits = {"limits": PATIENT, "settings": {"max_tokens": 60}}
    asked = {"model": "smollm2", "workflow": "analysis", "messages": [], "input": {"task_id": "0520fde7"}, **limits}
    run = str((await call(product.port, "POST", "/api/v1/runs", asked)).json()["id"])
    end = await scene.end(run)
    assert end.type == "complete"
    records = [json.loads(payload) for payload in await scene.payloads(run)]
    assert any(record["type"] == "field" for record in records)
    (stored,) = (await call(product.port, "GET", "/api/arc/analyses")).json()["analyses"]
    assert (stored["run"], stored["state"], stored["result"]) == (run, "completed", end.data["result"])
    assert (stored["result"]["simulated"], len(stored["result"]["tests"])) == (False, 1)
    assert stored["usage"]["source"] == "provider"
    await scene.judge()


async def test_a_cancel_makes_room(product: Product) -> None:
    scene = Scene(product)
    # Two slots, both taken for many hundred tokens: a third run gets none until one is cancelled.
    busy = [await scene.start("Tell me more.", **ENDLESS) for _ in range(2)]
    readers = [scene.reader(run) for run in busy]
    reading = [asyncio.create_task(reader.read_on(scene.port)) for reader in readers]
    for run in busy:
        await until_streaming(scene, run)
    # Its own limit is far below what the two would take for all of their tokens.
    third = await scene.start("Hello", **{**SHORT, "limits": {**PATIENT, "total_s": 30}})
    for run in busy:
        assert await scene.cancel(run) == 202
    assert (await scene.end(third)).type == "complete"
    for task, run in zip(reading, busy, strict=True):
        await task
        assert (await scene.end(run)).type == "cancelled"
        assert len(await scene.payloads(run)) < 1_500
    await scene.judge()


async def until_streaming(scene: Scene, run: str, chunks: int = 5) -> None:
    """Waits until the log has that many records of the answer; the first three tell of the connection."""

    async def has_begun() -> bool:
        return int((await scene.show(run))["tail"]) >= 3 + chunks

    await until(has_begun, "the answer's first records", 100)


async def test_killed_in_mid_answer_and_started_again(tmp_path: Path) -> None:
    async with local_product(tmp_path / "data") as product:
        scene = Scene(product)
        run = await scene.start("Tell me a story.", **ENDLESS)
        reader = scene.reader(run)
        reading = asyncio.create_task(reader.read_on(scene.port))
        await until_streaming(scene, run)
        child = child_of(product)
        await product.kill()
        gone, _ = await asyncio.to_thread(psutil.wait_procs, [child], 30)
        assert gone == [child]

        await product.start()
        # It may have given up while nobody was there.
        await reading
        assert await reader.read_on(scene.port) in ("end", "none")
        end = await scene.end(run)
        assert error_of(end) == "INTERRUPTED"
        assert (await scene.show(run))["snapshot"]["text"]
        assert reader.payloads == await scene.payloads(run)
        again = await scene.start("Hello", **SHORT)
        assert (await scene.end(again)).type == "complete"
        await scene.judge()


async def test_a_model_that_is_killed_fails_its_run_only(product: Product) -> None:
    scene = Scene(product)
    run = await scene.start("Tell me a story.", **ENDLESS)
    await until_streaming(scene, run)
    child = child_of(product)
    child.kill()
    end = await scene.end(run)
    assert error_of(end) in ("TRUNCATED", "NETWORK")
    assert (await scene.show(run))["snapshot"]["text"]
    again = await scene.start("Hello", **SHORT)
    assert (await scene.end(again)).type == "complete"
    assert child_of(product).pid != child.pid
    await scene.judge()


async def test_the_end_of_the_server_is_the_models_too(tmp_path: Path) -> None:
    async with local_product(tmp_path / "data") as product:
        scene = Scene(product)
        run = await scene.start("Tell me a story.", **ENDLESS)
        reader = scene.reader(run)
        reading = asyncio.create_task(reader.read(scene.port))
        await until_streaming(scene, run)
        child = child_of(product)
        assert await product.terminate() == 0
        await reading
        # The run was ended before its model was: it says so, and not that the model broke.
        assert json.loads(reader.payloads[-1])["data"]["code"] == "DRAINING"
        assert not child.is_running()


async def test_no_prompt_is_in_the_log(product: Product) -> None:
    assert "the local model is ready" in product.log_text
    assert CANARY not in product.log_text
