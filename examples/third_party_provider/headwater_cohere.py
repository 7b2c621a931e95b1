"""Cohere's Chat API, version 2, for Headwater: text, thinking and usage.

The stream is https://docs.cohere.com/v2/reference/chat-stream: one JSON object an SSE event, whole at `message-end`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from headwater.domain.event import Chunk, FinishReason, Reasoning, UsageReport
from headwater.domain.message import GenerationRequest, Message, TextPart, Usage
from headwater.errors import ErrorCode, ProviderError, Truncated, UnsupportedError
from headwater.providers.contract import Finish, Frame, Framing, HttpRequest, Item
from headwater.providers.provider_error import refusal_error
from headwater.providers.servers import ServerRow

SETTINGS = {"temperature": "temperature", "top_p": "p", "max_tokens": "max_tokens", "stop": "stop_sequences"}
REASONS: dict[str, FinishReason] = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length"}
Counts = dict[str, Annotated[int, msgspec.Meta(ge=0, lt=2**53)]]


class Event(msgspec.Struct):
    type: str
    delta: Any = None


class Content(msgspec.Struct):
    text: str = ""
    thinking: str = ""


class Cohere:
    name, framing = "cohere", Framing.SSE

    def request(self, request: GenerationRequest) -> HttpRequest:
        asked = msgspec.to_builtins(request.settings)
        if foreign := sorted(asked.keys() - SETTINGS.keys()):
            raise UnsupportedError(f"This plug-in does not send `{foreign[0]}`.", pointer=f"/settings/{foreign[0]}")
        messages = [_message(message, f"/messages/{at}") for at, message in enumerate(request.messages)]
        body = {"model": request.model, "messages": messages, "stream": True} | {SETTINGS[k]: asked[k] for k in asked}
        return HttpRequest("/chat", msgspec.json.encode(body), headers={"Content-Type": "application/json"})

    def decoder(self, request: GenerationRequest) -> "CohereDecoder":
        return CohereDecoder()

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return refusal_error(status, headers, body, provider=self.name)


class CohereDecoder:
    ended, reason = False, ""

    def feed(self, frame: Frame) -> list[Item]:
        try:
            event = msgspec.json.decode(frame.data, type=Event)
            if event.type == "content-delta":
                said = msgspec.convert(event.delta["message"]["content"], Content)
                return [Chunk(said.text, 0)] if said.text else [Reasoning(said.thinking, 0)]
            if event.type == "message-end" and not self.ended:
                self.ended, self.reason = True, str(event.delta["finish_reason"])
                tokens = msgspec.convert(event.delta["usage"]["tokens"], Counts)
                return [UsageReport(Usage(tokens["input_tokens"], 0, tokens["output_tokens"]))]
        except (msgspec.DecodeError, LookupError, TypeError, RecursionError):
            raise ProviderError(ErrorCode.PARSE, provider="cohere", detail="a frame that is not Cohere's") from None
        return []

    def end(self, clean: bool) -> list[Item]:
        if self.reason not in REASONS:
            raise Truncated(provider="cohere", detail=f"ended with the finish_reason `{self.reason[:40]}`")
        return [Finish(REASONS[self.reason], self.reason)]


def _message(message: Message, pointer: str) -> dict[str, str]:
    parts = [TextPart(message.content)] if isinstance(message.content, str) else message.content
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) < len(parts) or message.tool_calls or message.name or message.role == "tool":
        raise UnsupportedError("This plug-in sends text only.", pointer=pointer)
    return {"role": "system" if message.role == "developer" else message.role, "content": "".join(texts)}


SERVER = ServerRow(
    dialect=Cohere, capabilities=("text",), base_url="https://api.cohere.com/v2", api_key_env="CO_API_KEY"
)
