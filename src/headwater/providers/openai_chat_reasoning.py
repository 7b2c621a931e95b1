"""What a model thought, where its server wants it back with the next turn of a conversation.

DeepSeek refuses a conversation in which a model that thinks called a tool, and what it thought then is missing
(https://api-docs.deepseek.com/guides/thinking_mode). OpenRouter wants the blocks that a provider has signed or sealed,
as they came (https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks); in a stream a block
comes in pieces. Both go back as the `provider_data` of the assistant's message.

A caller that was shown what a model thought, and nothing else, gives it back as text. DeepSeek takes that in the place
of what was kept; llama.cpp and vLLM hand it to the model's chat template, each under a name of its own
(https://github.com/ggml-org/llama.cpp/blob/master/common/chat.cpp, `common_chat_msgs_parse_oaicompat`;
https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/chat_utils.py, `_parse_chat_message_content`). Others
have no place for it, or for that of single models only (Groq).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

from headwater.domain.message import Message
from headwater.providers.opaque import VALUE_BYTES_MAX, fits

#: The field of a message that reasoning goes back in, if it does.
ReasoningField = Literal["", "reasoning_content", "reasoning_details"]
#: The field that it is taken in as text, where nothing of it is kept.
ReasoningTextField = Literal["", "reasoning_content", "reasoning"]

#: Above so many characters nothing is kept: a record would not hold it.
CHARS_MAX: Final = VALUE_BYTES_MAX
#: What a piece counts for beside its characters.
_PIECE_CHARS: Final = 64

_Json = dict[str, Any]


class KeptReasoning:
    """The reasoning of one answer."""

    def __init__(self, field: ReasoningField) -> None:
        self._field = field
        self._texts: list[str] = []
        self._blocks: list[_Block] = []
        #: those that come in pieces, by their type and index
        self._open: dict[tuple[object, object], _Block] = {}
        self._room = CHARS_MAX

    def take(self, text: str, details: Sequence[_Json]) -> None:
        """A piece, in either form."""
        if self._room < 0:
            return
        if self._field == "reasoning_content":
            self._room -= len(text)
            self._texts.append(text)
        elif self._field == "reasoning_details":
            for piece in details:
                self._add(piece)
        if self._room < 0:
            self._texts, self._blocks, self._open = [], [], {}

    def values(self, *, has_calls: bool) -> Iterator[_Json]:
        """What to give back, once the answer is whole; `has_calls` where it calls a tool."""
        if self._room < 0:
            return
        values = [each.whole() for each in self._blocks if each.members.get("data") or each.members.get("signature")]
        if self._field == "reasoning_content" and has_calls:
            values.append({"reasoning_content": "".join(self._texts)})
        yield from (value for value in values if fits(value))

    def _add(self, piece: _Json) -> None:
        self._room -= _PIECE_CHARS + sum(len(each) for each in piece.values() if isinstance(each, str))
        kind, index, text = piece.get("type"), piece.get("index"), piece.get("text")
        key = (kind if isinstance(kind, str) else None, index if isinstance(index, int) else None)
        block = self._open.get(key)
        if block is None or "data" in piece:
            block = _Block({}, [])
            self._blocks.append(block)
            # What is sealed comes whole.
            if "data" not in piece:
                self._open[key] = block
        if isinstance(text, str):
            block.texts.append(text)
        block.members.update({name: each for name, each in piece.items() if each is not None and name != "text"})


class _Block(NamedTuple):
    """One block: the pieces of its text, and what else is known of it."""

    members: _Json
    texts: list[str]

    def whole(self) -> _Json:
        return {**self.members, "text": "".join(self.texts)} if self.texts else self.members


def returned(
    message: Message, provider: str, field: ReasoningField, text_field: ReasoningTextField = "", *, thinks: bool
) -> _Json:
    """Members of an assistant's message, with what it thought. `thinks` where the model that is asked now does."""
    own = [each.value for each in message.provider_data if each.provider == provider and isinstance(each.value, dict)]
    if field == "reasoning_details":
        blocks = [value for value in own if str(value.get("type")).startswith("reasoning.")]
        return {"reasoning_details": blocks} if blocks else {}
    if field == "reasoning_content":
        for value in own:
            if isinstance(value.get("reasoning_content"), str):
                return {"reasoning_content": value["reasoning_content"]}
        # What another model called, or what is lost: without the member it would be refused.
        return {"reasoning_content": message.reasoning or ""} if message.tool_calls and thinks else {}
    return {text_field: message.reasoning} if text_field and message.reasoning else {}
