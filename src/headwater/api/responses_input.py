"""The `input` of `POST /v1/responses` as messages. Pure.

The shapes are OpenAI's: https://platform.openai.com/docs/api-reference/responses/create.
What a model said in an earlier turn comes back as several items: reasoning, words, calls. They are one message here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from headwater.api.body import check_shape, explain
from headwater.delivery.formats.responses_output import unseal
from headwater.domain.message import ImagePart, Message, Part, ProviderValue, TextPart, ToolResultPart, ToolUse
from headwater.errors import BadRequestError


class _Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    pass


class InputText(_Body, frozen=True, tag="input_text", tag_field="type"):
    text: str
    prompt_cache_breakpoint: Any = None


class OutputText(_Body, frozen=True, tag="output_text", tag_field="type"):
    """An earlier answer's words, as they were given: what is only about them is passed over."""

    text: str
    annotations: Any = None
    logprobs: Any = None
    parsed: Any = None


class OutputRefusal(_Body, frozen=True, tag="refusal", tag_field="type"):
    refusal: str


class InputImage(_Body, frozen=True, tag="input_image", tag_field="type"):
    image_url: str
    detail: Literal["auto", "low", "high"] | None = None
    prompt_cache_breakpoint: Any = None


Content = InputText | OutputText | OutputRefusal | InputImage


class InputMessage(_Body, frozen=True, tag="message", tag_field="type"):
    role: Literal["user", "system", "developer", "assistant"]
    content: str | list[Content]
    id: Any = None
    status: Any = None
    phase: Any = None


class FunctionCallItem(_Body, frozen=True, tag="function_call", tag_field="type"):
    call_id: str
    name: str
    arguments: str
    id: Any = None
    status: Any = None
    caller: Any = None
    parsed_arguments: Any = None


class FunctionCallOutput(_Body, frozen=True, tag="function_call_output", tag_field="type"):
    call_id: str
    output: str | list[InputText]
    id: Any = None
    status: Any = None
    caller: Any = None


class ReasoningInput(_Body, frozen=True, tag="reasoning", tag_field="type"):
    """What a model thought, of which only what a provider sealed goes back."""

    id: Any = None
    summary: Any = None
    content: Any = None
    encrypted_content: str | None = None
    status: Any = None


InputItem = InputMessage | FunctionCallItem | FunctionCallOutput | ReasoningInput


def messages_of(given: str | Sequence[dict[str, Any]]) -> list[Message]:
    """The messages that the input amounts to.

    Raises `BadRequestError` with the pointer of what can not be read, `TooLargeError` for what is sealed too deep.
    """
    if isinstance(given, str):
        return [Message("user", given)]
    conversation = _Conversation()
    for at, item in enumerate(given):
        conversation.add(_item(item, f"/input/{at}"))
    return conversation.messages()


def _item(given: dict[str, Any], pointer: str) -> InputItem:
    # What is null was left out; an item without a type is a message.
    item = {"type": "message", **{name: value for name, value in given.items() if value is not None}}
    try:
        read: InputItem = msgspec.convert(item, InputItem)
    except msgspec.ValidationError as error:
        message, where = explain(str(error))
        raise BadRequestError(message, pointer=pointer + where) from None
    return read


class _Turn:
    """What the assistant put out in one go: what was sealed, then words, then calls."""

    __slots__ = ("calls", "texts", "values")

    def __init__(self) -> None:
        self.values: list[ProviderValue] = []
        self.texts: list[str] = []
        self.calls: list[ToolUse] = []

    def message(self) -> Message:
        return Message("assistant", "".join(self.texts), None, self.calls, self.values)


class _Conversation:
    """Items in their order; those of one turn of the assistant's are put together."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        #: the assistant's, where it takes more
        self._turn: _Turn | None = None

    def add(self, item: InputItem) -> None:
        match item:
            case InputMessage(role="assistant"):
                self._say(_text(item.content))
            case FunctionCallItem():
                self._going().calls.append(ToolUse(item.call_id, item.name, item.arguments))
            case ReasoningInput():
                values = unseal(item.encrypted_content or "")
                # Inside a string the body's bounds have not seen it.
                check_shape(msgspec.json.encode(values))
                self._return(values)
            case FunctionCallOutput():
                self._end(Message("tool", [ToolResultPart(item.call_id, _text(item.output))]))
            case InputMessage():
                self._end(Message(item.role, _parts(item.content)))

    def messages(self) -> list[Message]:
        self._close()
        return self._messages

    def _close(self) -> None:
        if self._turn is not None:
            self._messages.append(self._turn.message())
            self._turn = None

    def _end(self, message: Message) -> None:
        self._close()
        self._messages.append(message)

    def _going(self) -> _Turn:
        self._turn = self._turn or _Turn()
        return self._turn

    def _say(self, text: str) -> None:
        # Words come before calls in a message, so those that follow one are another message.
        if self._turn is not None and self._turn.calls:
            self._close()
        turn = self._going()
        if text:
            turn.texts.append(text)

    def _return(self, values: list[ProviderValue]) -> None:
        if self._turn is not None and (self._turn.calls or self._turn.texts):
            self._close()
        if values:
            self._going().values.extend(values)


def _text(content: str | Sequence[Content]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.refusal if isinstance(part, OutputRefusal) else _words(part) for part in content)


def _words(part: Content) -> str:
    return part.text if isinstance(part, InputText | OutputText) else ""


def _parts(content: str | Sequence[Content]) -> str | list[Part]:
    if isinstance(content, str):
        return content
    if len(content) == 1 and isinstance(content[0], InputText):
        return content[0].text
    return [
        ImagePart(url=part.image_url, detail=part.detail) if isinstance(part, InputImage) else TextPart(_text([part]))
        for part in content
    ]
