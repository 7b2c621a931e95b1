"""The whole path against aimock, which speaks the providers' APIs and was written by others from their documents.

Our recordings are of streams that we have read; a mock of somebody else's has another understanding of the same APIs.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

import pytest
import pytest_asyncio

from tests.acceptance.scene import Scene, error_of
from tests.kit.aimock import Aimock
from tests.kit.answer import Record
from tests.kit.product import Product

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

KEY: Final = "key-of-this-test-0815"


class Face(NamedTuple):
    """How a row of ours reaches one of its APIs."""

    provider: str
    path: str
    model: str = "mock-model"


#: By the name that callers use.
FACES: Final[Mapping[str, Face]] = {
    "chat": Face("openai_chat", "/v1"),
    "responses": Face("openai_responses", "/v1"),
    "messages": Face("anthropic", "/v1", "claude-opus-4-6"),
    "gemini": Face("gemini", "/v1beta", "gemini-2.5-flash"),
    "openrouter": Face("openrouter", "/api/v1", "openai/mock-model"),
}
NAMES: Final = sorted(FACES)

TEXT: Final = "Grüße vom Reiher 🪶: it stands in the reeds, and waits. " * 4
THOUGHTS: Final = "A heron waits. So shall I."
#: What only the provider can read, and wants to see again.
SIGNATURE: Final = "c2lnbmVkLWJ5LW5vYm9keQ=="
SEALED: Final = "c2VhbGVkLXRob3VnaHRz"
ARGUMENTS: Final[Mapping[str, Any]] = {
    "city": "Dresden",
    "deep": {"list": [1, 2, 3], "text": 'with "quotes" and \\ 🪶'},
}
PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
TOOL: Final = {
    "name": "river_at",
    "description": "Says which river flows through a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
#: In the words of each API.
USAGE: Final = {
    "prompt_tokens": 11,
    "completion_tokens": 22,
    "input_tokens": 11,
    "output_tokens": 22,
    "promptTokenCount": 11,
    "candidatesTokenCount": 22,
}


def _error(status: int, kind: str, message: str = "No.") -> dict[str, Any]:
    return {"status": status, "error": {"message": message, "type": kind, "code": kind}, "retryAfter": 0}


#: What it answers, by what the last message says.
ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "say text": {"response": {"content": TEXT, "usage": USAGE}},
    "say one letter at a time": {
        "response": {"content": TEXT, "usage": USAGE},
        "chunkSize": 1,
        "latency": 1,
    },
    "think": {"response": {"content": TEXT, "reasoning": THOUGHTS}},
    "call a tool": {
        "response": {"toolCalls": [{"id": "call_river", "name": "river_at", "arguments": json.dumps(ARGUMENTS)}]}
    },
    "call two tools": {
        "response": {
            "toolCalls": [
                {"id": "call_a", "name": "river_at", "arguments": '{"city":"A"}'},
                {"id": "call_b", "name": "river_at", "arguments": '{"city":"B"}'},
            ]
        }
    },
    "talk and call": {
        "response": {
            "content": "I look it up.",
            "toolCalls": [{"id": "call_river", "name": "river_at", "arguments": json.dumps(ARGUMENTS)}],
        }
    },
    "call first and talk then": {
        "response": {
            "blocks": [
                {"type": "toolCall", "id": "call_river", "name": "river_at", "arguments": json.dumps(ARGUMENTS)},
                {"type": "text", "text": "I look it up."},
            ]
        }
    },
    "sign thoughts": {
        "response": {
            "content": TEXT,
            "reasoning": THOUGHTS,
            "reasoningSignature": SIGNATURE,
            "redactedThinking": [SEALED],
        }
    },
    "search the web": {"response": {"content": TEXT, "webSearches": ["herons of the Elbe"]}},
    "say what it costs": {
        "response": {"content": TEXT, "usage": {**USAGE, "cost": 0.0625}},
        "openRouterProcessing": True,
    },
    "stop at the limit": {"response": {"content": TEXT, "finishReason": "length"}},
    "be filtered": {"response": {"content": "Well", "finishReason": "content_filter"}},
    "refuse the request": {"response": _error(400, "invalid_request_error")},
    "refuse the key": {"response": _error(401, "authentication_error")},
    "be too busy": {"response": _error(429, "rate_limit_error")},
    "break": {"response": _error(500, "server_error")},
    "end early": {"response": {"content": TEXT}, "latency": 5, "truncateAfterChunks": 6},
    "hang up": {"response": {"content": TEXT * 20}, "latency": 5, "disconnectAfterMs": 150},
    "garble": {"response": {"content": TEXT}, "chaos": {"malformedRate": 1}},
    "drop": {"response": {"content": TEXT}, "chaos": {"disconnectRate": 1}},
}

FIXTURES: Final[list[dict[str, Any]]] = [
    {"match": {"toolCallId": "call_river"}, "response": {"content": "The Elbe."}},
    *({"match": {"userMessage": words}, "chunkSize": 7, **answer} for words, answer in ANSWERS.items()),
]

REFUSED: Final = {
    "refuse the request": "BAD_REQUEST",
    "refuse the key": "AUTH",
    "be too busy": "RATE_LIMIT",
    "break": "SERVER",
}
BROKEN_OFF: Final = ("end early", "hang up")
NO_ANSWER: Final = ("garble", "drop")
FAILING: Final = (*REFUSED, *BROKEN_OFF, *NO_ANSWER, "be filtered")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def product(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    async with Aimock(FIXTURES, KEY) as mock:
        models: list[dict[str, Any]] = []
        for name, face in FACES.items():
            row = {"provider": face.provider, "base_url": mock.url + face.path, "model": face.model}
            # What fails on purpose has a name of its own, so that its breaker stops nobody else.
            for called in (name, f"{name} locked", *(f"{name} {prompt}" for prompt in FAILING)):
                key = "WRONG_KEY" if called.endswith("locked") else "AIMOCK_KEY"
                models.append({"name": called, "api_key_env": key, "allow_private": True, **row})
        data = tmp_path_factory.mktemp("aimock") / "data"
        keys = {"AIMOCK_KEY": KEY, "WRONG_KEY": "key-of-somebody-else"}
        async with Product(data, config={"models": models}, environ=keys) as product:
            yield product
        assert KEY not in product.log_text


async def records_of(product: Product, model: str, prompt: str, **more: Any) -> list[Record]:
    scene = Scene(product)
    run = await scene.start(prompt, model=model, **more)
    records = await scene.records(run)
    await scene.judge()
    return records


def text_of(records: list[Record], kind: str = "chunk") -> str:
    return "".join(record.data["content"] for record in records if record.type == kind)


def calls_of(records: list[Record]) -> list[tuple[str, str, Any]]:
    pieces = [record.data for record in records if record.type == "tool_call"]
    found = []
    for call in dict.fromkeys(piece["id"] for piece in pieces):
        own = [piece for piece in pieces if piece["id"] == call]
        assert [piece.get("done", False) for piece in own].count(True) == 1
        found.append((call, own[0]["name"], json.loads("".join(piece["arguments"] for piece in own))))
    return found


@pytest.mark.parametrize("face", NAMES)
@pytest.mark.parametrize("prompt", ["say text", "say one letter at a time"])
async def test_text(product: Product, face: str, prompt: str) -> None:
    records = await records_of(product, face, prompt)
    if prompt == "say one letter at a time":
        assert len([record for record in records if record.type == "chunk"]) > 10
    end = records[-1]
    assert (end.type, end.data["finish_reason"], end.data["final_response"]) == ("complete", "stop", TEXT)
    assert text_of(records) == TEXT
    usage = end.data["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["source"]) == (11, 22, "provider")


@pytest.mark.parametrize("face", NAMES)
async def test_thoughts_are_no_part_of_the_answer(product: Product, face: str) -> None:
    records = await records_of(product, face, "think")
    assert text_of(records, "reasoning") == THOUGHTS
    assert records[-1].data["final_response"] == TEXT


@pytest.mark.parametrize("face", NAMES)
async def test_a_tool_is_called_and_its_result_is_sent_back(product: Product, face: str) -> None:
    settings = {"tools": [TOOL]}
    records = await records_of(product, face, "call a tool", settings=settings)
    assert records[-1].data["finish_reason"] == "tool_calls"
    ((call, name, arguments),) = calls_of(records)
    assert (name, arguments) == ("river_at", ARGUMENTS)
    conversation = [
        {"role": "user", "content": "call a tool"},
        {"role": "assistant", "tool_calls": [{"id": call, "name": name, "arguments": json.dumps(arguments)}]},
        {"role": "tool", "content": [{"type": "tool_result", "tool_call_id": call, "content": "Elbe"}]},
    ]
    again = await records_of(product, face, "", messages=conversation, settings=settings)
    # Gemini's calls have no ids of their own there, so that it can not match them.
    if face != "gemini":
        assert again[-1].data["final_response"] == "The Elbe."
    assert again[-1].type == "complete"


@pytest.mark.parametrize("face", NAMES)
async def test_several_tools_and_words_beside_them(product: Product, face: str) -> None:
    two = await records_of(product, face, "call two tools", settings={"tools": [TOOL]})
    assert [(name, arguments) for _, name, arguments in calls_of(two)] == [
        ("river_at", {"city": "A"}),
        ("river_at", {"city": "B"}),
    ]
    assert two[-1].data["finish_reason"] == "tool_calls"
    both = await records_of(product, face, "talk and call", settings={"tools": [TOOL]})
    assert text_of(both) == "I look it up."
    assert [arguments for _, _, arguments in calls_of(both)] == [ARGUMENTS]


@pytest.mark.parametrize("face", NAMES)
async def test_a_tool_may_be_called_before_a_word(product: Product, face: str) -> None:
    records = await records_of(product, face, "call first and talk then", settings={"tools": [TOOL]})
    assert text_of(records) == "I look it up."
    assert [arguments for _, _, arguments in calls_of(records)] == [ARGUMENTS]
    assert records[-1].data["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(("face", "sealed"), [("messages", [SIGNATURE, SEALED]), ("responses", [])])
async def test_what_is_the_provider_s_goes_back_to_it(product: Product, face: str, sealed: list[str]) -> None:
    records = await records_of(product, face, "sign thoughts")
    kept = [record.data for record in records if record.type == "provider_data"]
    assert kept
    assert all(word in json.dumps(kept) for word in sealed)
    conversation = [
        {"role": "user", "content": "sign thoughts"},
        {
            "role": "assistant",
            "content": text_of(records),
            "provider_data": [{"provider": each["provider"], "value": each["value"]} for each in kept],
        },
        {"role": "user", "content": "say text"},
    ]
    again = await records_of(product, face, "", messages=conversation)
    assert again[-1].data["final_response"] == TEXT


async def test_a_server_tool_is_passed_through(product: Product) -> None:
    records = await records_of(product, "responses", "search the web")
    assert records[-1].data["final_response"] == TEXT
    found = [record.data for record in records if record.type == "annotation"]
    assert "herons of the Elbe" in json.dumps(found)


async def test_a_gateway_says_what_it_costs_and_that_it_works(product: Product) -> None:
    """OpenRouter's comments come before its first words."""
    end = (await records_of(product, "openrouter", "say what it costs"))[-1]
    assert end.type == "complete"
    assert end.data["usage"]["cost_usd"] == 0.0625


@pytest.mark.parametrize("face", NAMES)
async def test_all_that_can_be_asked_is_taken(product: Product, face: str) -> None:
    conversation = [
        {"role": "system", "content": "Be a heron."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "say text"},
                {"type": "image", "data": PIXEL, "media_type": "image/png"},
            ],
        },
    ]
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    settings = {"temperature": 0.5, "max_tokens": 2000, "json_schema": schema}
    end = (await records_of(product, face, "", messages=conversation, settings=settings))[-1]
    assert (end.type, end.data["final_response"]) == ("complete", TEXT)


@pytest.mark.parametrize("face", NAMES)
async def test_an_answer_that_was_cut_short_says_so(product: Product, face: str) -> None:
    end = (await records_of(product, face, "stop at the limit"))[-1]
    assert (end.type, end.data["finish_reason"]) == ("complete", "length")


@pytest.mark.parametrize("face", ["chat", "gemini", "openrouter"])
async def test_an_answer_that_was_filtered_says_so(product: Product, face: str) -> None:
    end = (await records_of(product, face, "be filtered"))[-1]
    assert (end.type, end.data["finish_reason"]) == ("complete", "content_filter")


async def test_an_answer_that_failed_is_none(product: Product) -> None:
    """Its Responses API says that of what was filtered. (By Messages it sends a word that Anthropic does not have.)"""
    records = await records_of(product, "responses be filtered", "be filtered")
    assert (error_of(records[-1]), text_of(records)) == ("SERVER", "Well")


@pytest.mark.parametrize("face", NAMES)
@pytest.mark.parametrize("prompt", sorted(REFUSED))
async def test_refusals(product: Product, face: str, prompt: str) -> None:
    assert error_of((await records_of(product, f"{face} {prompt}", prompt))[-1]) == REFUSED[prompt]


@pytest.mark.parametrize("face", NAMES)
async def test_a_wrong_key(product: Product, face: str) -> None:
    assert error_of((await records_of(product, f"{face} locked", "say text"))[-1]) == "AUTH"


@pytest.mark.parametrize("face", NAMES)
@pytest.mark.parametrize("prompt", BROKEN_OFF)
async def test_a_stream_that_breaks_off_is_never_an_answer(product: Product, face: str, prompt: str) -> None:
    records = await records_of(product, f"{face} {prompt}", prompt)
    assert error_of(records[-1]) in ("TRUNCATED", "NETWORK")
    said = text_of(records)
    assert len(said) < len(TEXT * 20)
    assert (TEXT * 20).startswith(said)


@pytest.mark.parametrize("face", NAMES)
@pytest.mark.parametrize("prompt", NO_ANSWER)
async def test_an_answer_that_is_none(product: Product, face: str, prompt: str) -> None:
    assert error_of((await records_of(product, f"{face} {prompt}", prompt))[-1]) in (
        "PARSE",
        "NETWORK",
        "TRUNCATED",
        "SERVER",
    )
