"""The JSON answers among the recorded streams, read as they came and cut anywhere else."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from headwater.domain import event as ev
from headwater.domain.structured_value import value_of
from headwater.providers.anthropic import Anthropic
from headwater.providers.contract import Dialect
from headwater.providers.gemini import Gemini
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.openai_responses import OpenAIResponses
from headwater.testing.dialect import decode_pieces
from headwater.workflows.structured import StructuredAnswer
from tests.providers.recorded import ABSENT
from tests.recordings import recordings, recordings_dir

DIALECTS: Final[Mapping[str, Dialect]] = {
    "chat": OpenAIChat(),
    "responses": OpenAIResponses(),
    "messages": Anthropic(),
    "generate-content": Gemini(),
}
#: How many there are.
AT_LEAST: Final = 7


@functools.cache
def answers() -> Mapping[str, list[str]]:
    """The text of each answer that is JSON, in the pieces in which it came."""
    return dict(_answers())


def _answers() -> Iterator[tuple[str, list[str]]]:
    for api, dialect in DIALECTS.items():
        for recording in recordings(api=api):
            body = recording.read()
            if b"{" not in body:
                continue
            items = decode_pieces(dialect, [body], clean=True).items
            pieces = [item.content for item in items if isinstance(item, ev.Chunk)]
            if _is_json("".join(pieces)):
                yield recording.name, pieces


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def told(pieces: list[str]) -> tuple[Any, StructuredAnswer]:
    answer = StructuredAnswer({})
    fields = [field for piece in pieces for field in answer.take([ev.Chunk(piece, 0)])]
    return value_of(fields), answer


@pytest.mark.slow
def test_every_recorded_json_answer_is_told_as_it_is() -> None:
    if recordings_dir() is None:
        pytest.skip(ABSENT)
    assert len(answers()) >= AT_LEAST
    for name, pieces in answers().items():
        text = "".join(pieces)
        # as it came, character by character, at every single place, and as models wrap it
        for cut in (pieces, list(text), *([text[:at], text[at:]] for at in range(0, len(text), 7))):
            value, answer = told(cut)
            assert value == answer.verdict().value == json.loads(text), name
            assert answer.verdict().is_valid
        value, answer = told(["Here:\n```json\n", *pieces, "\n```\n"])
        assert value == json.loads(text), name
        assert answer.verdict().repairs == ["fence", "prose"]
