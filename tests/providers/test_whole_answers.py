"""An answer that is asked for in one piece, of every dialect that heeds it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from headwater.domain.message import GenerationRequest, Message
from headwater.providers.anthropic import Anthropic
from headwater.providers.contract import Dialect
from headwater.providers.gemini import Gemini
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.openai_responses import OpenAIResponses
from headwater.providers.servers import SERVERS

DIALECTS = [Anthropic, Gemini, OpenAIChat, OpenAIResponses]


def asked(*, stream: bool) -> GenerationRequest:
    return GenerationRequest("m", [Message("user", "Hi")], stream=stream)


@pytest.mark.parametrize("make", DIALECTS)
def test_it_is_asked_for_without_a_word_of_streaming(make: Callable[[], Dialect]) -> None:
    whole, streamed = (make().request(asked(stream=stream)) for stream in (False, True))
    assert (whole.headers["Accept"], streamed.headers["Accept"]) == ("application/json", "text/event-stream")
    body = json.loads(whole.body)
    assert not body.pop("stream", False)
    assert "stream" not in str(body) + whole.path


@pytest.mark.parametrize("name", [name for name, row in SERVERS.items() if row.base_url])
def test_each_server_that_says_it_gives_one_is_asked_for_one(name: str) -> None:
    dialect = SERVERS[name].dialect()
    whole, streamed = (dialect.request(asked(stream=stream)) for stream in (False, True))
    if getattr(dialect, "answers_whole", False):
        assert (whole.path, whole.body) != (streamed.path, streamed.body)
