"""llama.cpp's own server with real weights, called by the product through each of its three APIs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import jsonschema
import msgspec
import pytest
import pytest_asyncio

from headwater.local.child import Launch, Listening
from headwater.local.packages import weights
from headwater.local.process import COMMAND
from tests.acceptance.scene import Scene, error_of, until
from tests.kit.product import Product

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

KEY: Final = "key-of-this-test-4711"
#: The product's names for the model, which are the rows of its three APIs.
APIS: Final = ("llamacpp", "llamacpp_responses", "llamacpp_messages")
#: Callers wait for the model for as long as a loaded machine takes.
PATIENT: Final = {"connect_s": 100, "total_s": 300}
CONTEXT_TOKENS: Final = 1024
SCHEMA: Final = {
    "type": "object",
    # Few words to choose from: a grammar of many states takes this model a second a token on a busy machine.
    "properties": {"city": {"enum": ["Dresden", "Prague"]}, "people": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
TOOL: Final = {
    "name": "river_at",
    "description": "Says which river flows through a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The base URL of llama.cpp's server; it has two slots."""
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        launch = Launch(
            weights=str(weights()),
            model="smollm2",
            key=KEY,
            slots=2,
            context_tokens=CONTEXT_TOKENS,
            # Two would wait for each other at every step: beside other tests that is a slice of time each.
            threads=1,
            parent=os.getpid(),
        )
        try:
            process.stdin.write(msgspec.json.encode(launch) + b"\n")
            process.stdin.flush()
            yield f"{msgspec.json.decode(process.stdout.readline(), type=Listening).url}/v1"
        finally:
            process.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def product(address: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    row = {"model": "smollm2", "base_url": address, "allow_private": True}
    models = [{"name": api, "provider": api, "api_key_env": "LLAMA_KEY", **row} for api in APIS]
    models += [{"name": f"{api} locked", "provider": api, "api_key_env": "WRONG_KEY", **row} for api in APIS]
    data = tmp_path_factory.mktemp("apis") / "data"
    keys = {"LLAMA_KEY": KEY, "WRONG_KEY": "key-of-somebody-else"}
    async with Product(data, config={"models": models}, environ=keys) as product:
        yield product
    assert KEY not in product.log_text


def asking(api: str, **settings: Any) -> dict[str, Any]:
    return {"model": api, "limits": PATIENT, "settings": settings}


@pytest.mark.parametrize("api", APIS)
async def test_text_comes_as_it_is_made_and_is_counted(product: Product, api: str) -> None:
    scene = Scene(product)
    run = await scene.start("Say hello to the river.", **asking(api, max_tokens=12))
    records = await scene.records(run)
    chunks = [record for record in records if record.type == "chunk"]
    assert len(chunks) > 3
    end = records[-1]
    assert end.type == "complete"
    assert "".join(chunk.data["content"] for chunk in chunks) == end.data["final_response"] != ""
    usage = end.data["usage"]
    assert usage["source"] == "provider"
    assert 0 < usage["output_tokens"] <= 12
    assert usage["input_tokens"] > 5
    await scene.judge()


@pytest.mark.parametrize("api", APIS)
async def test_an_answer_that_was_cut_short_says_so(product: Product, api: str) -> None:
    scene = Scene(product)
    end = await scene.end(await scene.start("Tell me a long story.", **asking(api, max_tokens=6)))
    assert end.type == "complete"
    # Its Responses API has no word for it: there the tokens tell.
    assert end.data["finish_reason"] == "length"


@pytest.mark.parametrize("api", ["llamacpp", "llamacpp_responses"])
async def test_an_answer_keeps_to_a_schema(product: Product, api: str) -> None:
    scene = Scene(product)
    run = await scene.start("Name a city.", **asking(api, max_tokens=100, json_schema=SCHEMA))
    end = await scene.end(run)
    assert end.type == "complete", end
    jsonschema.validate(json.loads(end.data["final_response"]), SCHEMA)


@pytest.mark.parametrize("api", APIS)
async def test_tools_and_their_results_are_taken(product: Product, api: str) -> None:
    """That a tool is called can not be asked of this model: its chat template has no place for tools."""
    scene = Scene(product)
    call = {"id": "call_1", "name": "river_at", "arguments": '{"city": "Dresden"}'}
    conversation = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Which river flows through Dresden?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": [{"type": "tool_result", "tool_call_id": "call_1", "content": "The Elbe."}]},
    ]
    run = await scene.start(messages=conversation, **asking(api, max_tokens=8, tools=[TOOL], tool_choice="auto"))
    end = await scene.end(run)
    assert end.type == "complete", end


@pytest.mark.parametrize("api", APIS)
async def test_what_was_thought_is_taken_or_passed_over(product: Product, api: str) -> None:
    scene = Scene(product)
    conversation = [
        {"role": "user", "content": "Which river flows through Dresden?"},
        {"role": "assistant", "content": "The Elbe.", "reasoning": "It has a famous bridge."},
        {"role": "user", "content": "And through Prague?"},
    ]
    end = await scene.end(await scene.start(messages=conversation, **asking(api, max_tokens=8)))
    assert end.type == "complete", end


@pytest.mark.parametrize("api", APIS)
async def test_a_cancel_reaches_the_model(product: Product, api: str) -> None:
    scene = Scene(product)
    endless = asking(api, max_tokens=800)
    busy = [await scene.start("Count to a thousand, number by number.", **endless) for _ in range(2)]

    async def streams(run: str) -> bool:
        return int((await scene.show(run))["tail"]) >= 8

    for run in busy:
        await until(lambda run=run: streams(run), "the answer's first records", 100)  # type: ignore[misc]
    for run in busy:
        assert await scene.cancel(run) in (200, 202)
    # Both slots were taken: this one gets its turn because they were let go of.
    next_run = await scene.start("Hello", **asking(api, max_tokens=4))
    assert (await scene.end(next_run)).type == "complete"
    await scene.judge()


@pytest.mark.parametrize("api", APIS)
async def test_a_conversation_that_is_too_long_is_told(product: Product, api: str) -> None:
    scene = Scene(product)
    run = await scene.start("river " * 2 * CONTEXT_TOKENS, **asking(api, max_tokens=4))
    assert error_of(await scene.end(run)) == "CONTEXT_LENGTH"


@pytest.mark.parametrize("api", APIS)
async def test_a_wrong_key_is_told(product: Product, api: str) -> None:
    scene = Scene(product)
    assert error_of(await scene.end(await scene.start("Hello", **asking(f"{api} locked")))) == "AUTH"


async def test_all_three_at_once(product: Product) -> None:
    scene = Scene(product)
    runs = [await scene.start("Hello", **asking(api, max_tokens=8)) for api in APIS]
    ends = await asyncio.gather(*(scene.end(run) for run in runs))
    assert [end.type for end in ends] == ["complete"] * 3
    await scene.judge()
