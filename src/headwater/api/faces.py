"""Which API a path belongs to, and in whose shape it therefore says no.

`/api/v1` is Headwater's own; `/v1`, `/api/chat`, `/chat` and `/api/conversation` are what other APIs' clients call, who
read no problem+json.
"""

from __future__ import annotations

from typing import Final, Protocol

from headwater.api.ai_sdk_error import ai_sdk_error
from headwater.api.answer import Answer, Headers
from headwater.api.anthropic_error import anthropic_error
from headwater.api.chat_error import chat_error, conversation_error
from headwater.api.durable_streams_error import stream_problem
from headwater.api.openai_error import openai_error
from headwater.api.problem import problem_of
from headwater.errors import HeadwaterError, NotFoundError


class Refuse(Protocol):
    """Makes the answer for an error. `status` is for where HTTP has a finer one than the table (431)."""

    def __call__(self, error: HeadwaterError, *, headers: Headers = (), status: int | None = None) -> Answer: ...


#: What is there of other APIs.
_THEIRS: Final = (
    *("POST /v1/chat/completions", "POST /v1/responses", "GET /v1/responses/{response}"),
    *("DELETE /v1/responses/{response}", "POST /v1/responses/{response}/cancel"),
    "GET /v1/responses/{response}/input_items",
    *("GET /v1/models", "GET /v1/models/{model}"),
)


def nothing_at(path: str) -> Answer:
    """The answer where no resource is."""
    refuse = refuse_for(path)
    if refuse is openai_error:
        return refuse(NotFoundError(f"There is no such resource. Of OpenAI's API there are {', '.join(_THEIRS)}."))
    if refuse is anthropic_error:
        return refuse(NotFoundError("There is no such resource. Of Anthropic's API there is POST /v1/messages."))
    return refuse(NotFoundError("There is no such resource."))


def refuse_for(path: str) -> Refuse:
    """The shape of a refusal below this path."""
    if path.startswith("/v1/stream/"):
        return stream_problem
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return anthropic_error
    if path.startswith("/v1/"):
        return openai_error
    if path == "/chat" or path.startswith("/chat/"):
        return chat_error
    if path.startswith(("/api/conversation/", "/api/conversation-stream/")):
        return conversation_error
    return ai_sdk_error if path == "/api/chat" or path.startswith("/api/chat/") else problem_of
