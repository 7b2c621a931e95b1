"""Answers of one JSON value a line over a real socket, which no dialect of ours has and a plug-in may have."""

from __future__ import annotations

import pytest

from headwater.domain.event import Chunk
from headwater.errors import ErrorCode
from headwater.providers.contract import Finish, Framing
from headwater.providers.openai_chat import OpenAIChat
from tests.kit.script import chat_chunk
from tests.kit.upstream import EndCleanly, EndWithoutTerminator, Send, Status, Step
from tests.providers.calls import batches, calling, failing, flat, text_of


class Lines(OpenAIChat):
    """Chat Completions without events: a chunk a line."""

    framing = Framing.NDJSON


WORDS = ("Grü", "ße ", "🪶")
SAID = [chat_chunk(word).removeprefix(b"data: ").removesuffix(b"\n") for word in WORDS]
STOP = chat_chunk(finish="stop").removeprefix(b"data: ").removesuffix(b"\n")
BODY = b"".join([*SAID, STOP])


def answer(body: bytes, end: Step, media_type: str = "application/x-ndjson", pieces: int | None = None) -> list[Step]:
    return [Status(headers={"Content-Type": media_type}), Send(body, pieces), end]


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/jsonl; charset=utf-8", "text/plain", ""])
@pytest.mark.parametrize("pieces", [None, 1, 7])
async def test_a_line_is_a_frame_however_it_is_cut(media_type: str, pieces: int | None) -> None:
    async with calling(answer(BODY, EndCleanly(), media_type, pieces), dialect=Lines()) as (_, provider):
        items = flat(await batches(provider))
    assert text_of(items) == "".join(WORDS)
    assert items[-1] == Finish("stop", "stop")


async def test_lines_may_end_as_others_do_and_the_last_may_have_no_end() -> None:
    body = BODY.replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    async with calling(answer(body, EndCleanly()), dialect=Lines()) as (_, provider):
        assert flat(await batches(provider))[-1] == Finish("stop", "stop")


@pytest.mark.parametrize(
    ("body", "end"),
    [
        pytest.param(b"".join(SAID), EndCleanly(), id="between two lines"),
        pytest.param(BODY[:-20], EndCleanly(), id="within a line"),
        pytest.param(BODY, EndWithoutTerminator(), id="behind the last line"),
    ],
)
async def test_what_is_cut_is_truncated_and_keeps_its_partial(body: bytes, end: Step) -> None:
    async with calling(answer(body, end), dialect=Lines()) as (_, provider):
        items, error = await failing(provider)
    assert error.code is ErrorCode.TRUNCATED
    assert items == [Chunk(word, 0) for word in WORDS]


async def test_a_line_that_is_no_json_is_a_typed_error() -> None:
    body = SAID[0] + b'{"choices": [\n' + STOP
    async with calling(answer(body, EndCleanly()), dialect=Lines()) as (_, provider):
        items, error = await failing(provider)
    assert error.code is ErrorCode.PARSE
    assert text_of(items) == WORDS[0]
