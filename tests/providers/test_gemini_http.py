"""Gemini over a real socket: what is asked, and answers in every form that they come in."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headwater.domain.event import Annotation, Chunk
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Finish
from headwater.providers.egress import Egress
from headwater.providers.gemini import Gemini, GeminiQuirks
from headwater.providers.http import Auth, HttpProvider
from headwater.providers.redact import Secret
from headwater.testing.dialect import decode_pieces
from tests.kit.upstream import EndCleanly, EndWithoutTerminator, Script, ScriptedUpstream, Send, Status, Step
from tests.providers.calls import ASKED, CANARY, batches, flat

FIXTURES = Path(__file__).parent / "fixtures"
EVENTS, ARRAY = (FIXTURES / "gemini.sse").read_bytes(), (FIXTURES / "gemini.json").read_bytes()
WHOLE = json.dumps({"candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}]}).encode()


@asynccontextmanager
async def calling(*scripts: Script, events: bool) -> AsyncIterator[tuple[ScriptedUpstream, HttpProvider]]:
    auth = Auth(Secret(CANARY), header="x-goog-api-key", prefix="")
    async with ScriptedUpstream(*scripts) as upstream:
        dialect = Gemini(GeminiQuirks(events=events))
        provider = HttpProvider("gemini", dialect, base_url=upstream.base_url, auth=auth, egress=Egress(True))
        try:
            yield upstream, provider
        finally:
            await provider.close()


def answer(body: bytes, media_type: str, pieces: int | None = None) -> list[Step]:
    return [Status(headers={"Content-Type": media_type}), Send(body, pieces), EndCleanly()]


@pytest.mark.parametrize(
    ("body", "media_type", "events"),
    [
        (EVENTS, "text/event-stream", True),
        (EVENTS, "", True),
        (ARRAY, "application/json; charset=UTF-8", False),
        (ARRAY, "application/octet-stream", False),
    ],
)
@pytest.mark.parametrize("pieces", [None, 7])
async def test_both_forms(body: bytes, media_type: str, events: bool, pieces: int | None) -> None:
    async with calling(answer(body, media_type, pieces), events=events) as (upstream, provider):
        assert flat(await batches(provider)) == decode_pieces(Gemini(), [EVENTS], clean=True).items
        [asked] = upstream.requests
    assert asked.path == "/v1/models/m:streamGenerateContent" + ("?alt=sse" if events else "")
    assert asked.headers["x-goog-api-key"] == CANARY
    assert "authorization" not in asked.headers
    assert asked.json == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


@pytest.mark.parametrize("events", [True, False])
async def test_an_answer_that_comes_whole(events: bool) -> None:
    async with calling(answer(WHOLE, "application/json"), events=events) as (_, provider):
        assert flat(await batches(provider)) == [Chunk("Hello", 0), Finish("stop", "STOP")]


@pytest.mark.parametrize("events", [True, False])
async def test_a_large_picture(events: bool) -> None:
    """It fits no record and is left out, and the answer goes on."""
    picture = {"inlineData": {"mimeType": "image/png", "data": "A" * 5_000_000}}
    response = {"candidates": [{"content": {"parts": [picture, {"text": "Here."}]}, "finishReason": "STOP"}]}
    text = json.dumps(response).encode()
    body, media_type = (b"data: %b\n\n" % text, "text/event-stream") if events else (b"[%b]" % text, "application/json")
    async with calling(answer(body, media_type), events=events) as (_, provider):
        told, *rest = flat(await batches(provider))
    assert isinstance(told, Annotation)
    assert told.value["omitted_bytes"] > 4_999_000
    assert rest == [Chunk("Here.", 0), Finish("stop", "STOP")]


@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("lost", [False, True])
async def test_an_answer_that_is_cut(events: bool, lost: bool) -> None:
    """In its last frame, which has the finish reason; or behind it, where only the connection says so."""
    body, media_type = (EVENTS, "text/event-stream") if events else (ARRAY, "application/json")
    sent = body if lost else body[:-40]
    end = EndWithoutTerminator() if lost else EndCleanly()
    steps: list[Step] = [Status(headers={"Content-Type": media_type}), Send(sent), end]
    async with calling(steps, events=events) as (_, provider):
        with pytest.raises(Truncated):
            await batches(provider)


async def test_an_array_without_its_bracket_is_cut_although_the_body_ended_cleanly() -> None:
    async with calling(answer(ARRAY.rstrip().removesuffix(b"]"), "application/json"), events=False) as (_, provider):
        with pytest.raises(Truncated):
            await batches(provider)


async def test_something_else_than_an_array() -> None:
    async with calling(answer(b"Hello", "application/json"), events=False) as (_, provider):
        with pytest.raises(ProviderError) as caught:
            await batches(provider)
    assert caught.value.code is ErrorCode.PARSE


async def test_an_error_without_a_fields_name_among_the_events() -> None:
    body = (FIXTURES / "gemini_error_in_mid_stream.sse").read_bytes()
    async with calling(answer(body, "text/event-stream"), events=True) as (_, provider):
        with pytest.raises(ProviderError) as caught:
            await batches(provider)
    assert (caught.value.code, caught.value.provider) == (ErrorCode.OVERLOADED, "gemini")


@pytest.mark.parametrize("events", [True, False])
async def test_a_refusal_with_the_key_in_its_words(events: bool) -> None:
    value = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": f"API key not valid: {CANARY}"}}
    refusal = [Status(400, {"Content-Type": "application/json"}, json.dumps([value]).encode(), "length")]
    async with calling(refusal, events=events) as (_, provider):
        with pytest.raises(ProviderError) as caught:
            await batches(provider, ASKED)
    assert caught.value.code is ErrorCode.AUTH
    assert CANARY not in caught.value.detail + caught.value.message
