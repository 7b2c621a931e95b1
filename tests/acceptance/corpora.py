"""The recorded streams of each dialect, for tests that put them through the whole product."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from headwater.testing.dialect import Ends
from tests.kit.upstream import Received
from tests.providers import (
    test_anthropic_recordings,
    test_gemini_recordings,
    test_openai_chat_recordings,
    test_openai_responses_recordings,
)
from tests.providers.chat_ends import chat_ends
from tests.providers.gemini_ends import gemini_ends
from tests.providers.messages_ends import messages_ends
from tests.providers.responses_ends import responses_ends
from tests.recordings import Recording, recordings


class Corpus(NamedTuple):
    """The recordings of one dialect: the row that speaks it, and what is known of them by other means than ours."""

    provider: str
    recordings: Mapping[str, Recording]
    #: where a body is whole
    ends: Callable[[bytes], Ends]
    #: what the provider's own SDK made of it
    text: Callable[[Recording], str]
    #: the prompt that a request carries
    prompt: Callable[[Received], str]

    def is_whole(self, recording: Recording) -> bool:
        body = recording.read()
        return self.ends(body).is_whole(len(body), clean=True)


def _of(api: str) -> dict[str, Recording]:
    return {recording.name: recording for recording in recordings(api=api)}


def _golden_text(kept: Any, recording: Recording) -> str:
    """By the tables of the dialect's own tests, where the SDK is wrong too."""
    own = kept.RECORDINGS[getattr(kept, "GOLDEN_OF", {}).get(recording.name, recording.name)]
    deviation = kept.DEVIATIONS.get(recording.name)
    fields = deviation.fields if deviation is not None else {}
    return str(fields.get("text", kept.golden_summary(own.golden())["text"]))


def _last_message(received: Received) -> str:
    return str(received.json["messages"][-1]["content"])


def _last_item(received: Received) -> str:
    return str(received.json["input"][-1]["content"])


def _last_content(received: Received) -> str:
    return str(received.json["contents"][-1]["parts"][-1]["text"])


CORPORA: Final = (
    Corpus(
        "openai_chat",
        _of("chat"),
        chat_ends,
        functools.partial(_golden_text, test_openai_chat_recordings),
        _last_message,
    ),
    Corpus(
        "openai_responses",
        _of("responses"),
        responses_ends,
        functools.partial(_golden_text, test_openai_responses_recordings),
        _last_item,
    ),
    Corpus(
        "anthropic_compatible",
        _of("messages"),
        messages_ends,
        functools.partial(_golden_text, test_anthropic_recordings),
        _last_message,
    ),
    Corpus(
        "gemini",
        _of("generate-content"),
        functools.partial(gemini_ends, events=True),
        functools.partial(_golden_text, test_gemini_recordings),
        _last_content,
    ),
)
