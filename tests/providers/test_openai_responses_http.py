"""Responses over a real socket: events, an answer in one piece, refusals, and what a failed answer has cost."""

import json
from typing import Any

import pytest

from headwater.domain.event import Chunk, UsageReport
from headwater.domain.message import Usage
from headwater.errors import ErrorCode
from headwater.providers.contract import Finish
from headwater.providers.openai_responses import OpenAIResponses
from tests.kit.script import EndCleanly, Reset, Send, Status, Step
from tests.providers.calls import CANARY, batches, calling, failing, flat, text_of

JSON = {"Content-Type": "application/json"}
USED = {"input_tokens": 9, "output_tokens": 4}
USAGE = UsageReport(Usage(9, 0, 4, 0))
HELLO = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hello"}
MESSAGE = {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}


def events(*values: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in values)


def ended(status: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {"status": status, "usage": USED, **more}}


async def test_a_stream() -> None:
    script: list[Step] = [Send(events(HELLO, ended("completed"), HELLO)), EndCleanly()]
    async with calling(script, key=True, dialect=OpenAIResponses()) as (upstream, provider):
        assert flat(await batches(provider)) == [Chunk("Hello", 0), USAGE, Finish("stop", "completed")]
        (request,) = upstream.requests
        assert request.path == "/v1/responses"
        assert request.headers["authorization"] == f"Bearer {CANARY}"
        assert request.json["input"] == [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("last", [EndCleanly(), Reset()])
async def test_a_stream_without_its_end(last: Step) -> None:
    async with calling([Send(events(HELLO)), last], dialect=OpenAIResponses()) as (_, provider):
        got, error = await failing(provider)
        assert (text_of(got), error.code) == ("Hello", ErrorCode.TRUNCATED)


async def test_an_answer_that_fails_tells_what_it_cost() -> None:
    failed = ended("failed", error={"code": "server_error", "message": f"Bearer {CANARY} failed"})
    async with calling([Send(events(HELLO, failed)), EndCleanly()], key=True, dialect=OpenAIResponses()) as (
        _,
        provider,
    ):
        got, error = await failing(provider)
        assert got == [Chunk("Hello", 0), USAGE]
        assert error.code is ErrorCode.SERVER
        assert CANARY not in error.detail


async def test_an_answer_in_one_piece() -> None:
    whole = json.dumps({"status": "completed", "output": [MESSAGE], "usage": USED}).encode()
    async with calling([Status(200, JSON, whole, "length")], dialect=OpenAIResponses()) as (_, provider):
        assert flat(await batches(provider)) == [Chunk("Hello", 0), USAGE, Finish("stop", "completed")]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": ""}}, ErrorCode.RATE_LIMIT),
        ({"status": "cancelled"}, ErrorCode.SERVER),
        ({"status": "in_progress"}, ErrorCode.TRUNCATED),
    ],
)
async def test_an_answer_in_one_piece_that_is_none(members: dict[str, Any], code: ErrorCode) -> None:
    """Nobody has seen any of it; but what it cost is told, where it says so at its end."""
    body = json.dumps({"output": [MESSAGE], "usage": USED, **members}).encode()
    async with calling([Status(200, JSON, body, "length")], dialect=OpenAIResponses()) as (_, provider):
        got, error = await failing(provider)
        assert (got, error.code) == ([] if code is ErrorCode.TRUNCATED else [USAGE], code)


async def test_a_refusal() -> None:
    body = b'{"error": {"message": "Unsupported parameter: temperature", "code": "unsupported_parameter"}}'
    async with calling([Status(400, JSON, body, "length")], dialect=OpenAIResponses()) as (_, provider):
        got, error = await failing(provider)
        assert (got, error.code, error.status_code) == ([], ErrorCode.UNSUPPORTED, 400)
        assert error.detail == "unsupported_parameter Unsupported parameter: temperature"
