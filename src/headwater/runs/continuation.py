"""An answer that goes on where another call broke off: what the model is asked, and how the two join. Pure.

The model is given the text so far as its own last message (a prefill). Models do not take one that ends in white space
(Anthropic refuses it: https://docs.anthropic.com/en/docs/build-with-claude/prompt-engineering/prefill-claudes-response),
so that is left out of the question and may come again with the answer. Some servers repeat the whole prefill first
(Mistral, llama.cpp of some versions).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message
from headwater.providers import estimate
from headwater.providers.contract import Item

#: A beginning that is shorter may well be the answer's own next words.
ECHO_CHARS_MIN = 12


def continued(request: GenerationRequest, partial: str) -> GenerationRequest:
    """The request for what comes after `partial`."""
    prefill = partial.rstrip()
    if not prefill:
        return request
    messages, settings = list(request.messages), request.settings
    if messages and messages[-1].role == "assistant" and isinstance(messages[-1].content, str):
        messages[-1] = msgspec.structs.replace(messages[-1], content=messages[-1].content + prefill)
    else:
        messages.append(Message("assistant", prefill))
    if settings.max_tokens is not None:
        left = max(1, settings.max_tokens - estimate.tokens(estimate.utf8_bytes(partial)))
        settings = msgspec.structs.replace(settings, max_tokens=left)
    return msgspec.structs.replace(request, messages=messages, settings=settings)


class Joint:
    """Makes the output of the second call follow that of the first: `take` each list of items, in order.

    `part` is the part in which the text so far ends. Only what is said twice is left out: an echo of the prefill, and
    white space that ends one and begins the other.
    """

    def __init__(self, partial: str, part: int) -> None:
        self._echo = partial.rstrip()
        self._space = partial[len(self._echo) :]
        self._part = part
        #: the beginning of what might be an echo
        self._held = ""
        self._may_echo = len(self._echo) >= ECHO_CHARS_MIN

    @property
    def _is_open(self) -> bool:
        return self._may_echo or self._space != ""

    def take(self, items: Sequence[Item]) -> list[Item]:
        """The same items as the log is to have them."""
        joined: list[Item] = []
        for item in items:
            if isinstance(item, ev.Chunk) and self._is_open and item.content:
                if text := self._first(item.content):
                    joined.append(msgspec.structs.replace(item, content=text, index=item.index + self._part))
                continue
            # what looked like an echo so far may be all there is
            if self._held and not isinstance(item, ev.Chunk) and (text := self._without_space(self._let_go())):
                joined.append(ev.Chunk(text, self._part))
            if self._part and hasattr(item, "index"):
                item = msgspec.structs.replace(item, index=item.index + self._part)
            joined.append(item)
        return joined

    def _first(self, text: str) -> str:
        """What is new of the first text; "" while that can not be told."""
        if self._may_echo:
            self._held += text
            if len(self._held) < len(self._echo) and self._echo.startswith(self._held):
                return ""
            text = self._let_go()
            if text.startswith(self._echo):
                text = text[len(self._echo) :]
        return self._without_space(text)

    def _without_space(self, text: str) -> str:
        """The text without what of the white space was said already."""
        if not text:
            return ""
        space, self._space = self._space, ""
        shared = 0
        while shared < min(len(text), len(space)) and text[shared] == space[shared]:
            shared += 1
        if shared == len(text):
            self._space = space[shared:]
        return text[shared:]

    def _let_go(self) -> str:
        held, self._held, self._may_echo = self._held, "", False
        return held
