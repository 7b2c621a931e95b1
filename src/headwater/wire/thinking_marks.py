"""The marks between which some models put their thinking into the answer's own text.

As Open WebUI, vLLM, SGLang and the AI SDK know them (their "reasoning tags" and "reasoning parsers"); a server that
takes the thinking out itself leaves none. Where a template has begun the thinking in the prompt (DeepSeek-R1, Qwen3
Thinking), only the closing mark is in the text.
"""

from __future__ import annotations

import re
from typing import Final

#: What begins thinking, and what ends it.
THINKING_MARKS: Final[dict[str, str]] = {
    **{f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reason", "reasoning", "seed:think")},
    "◁think▷": "◁/think▷",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|channel|>analysis<|message|>": "<|end|>",
    "<|channel>thought\n": "<channel|>",
}

_ALL: Final = (*THINKING_MARKS, *THINKING_MARKS.values())
_CHARS_MAX: Final = max(map(len, _ALL))
_MARK: Final = re.compile("|".join(map(re.escape, _ALL)))
#: What every mark begins with.
_FIRST: Final = re.compile("[" + "".join(sorted({mark[0] for mark in _ALL})) + "]")


def has_mark(text: str) -> bool:
    """Whether there may be a mark in it, or the beginning of one. Cheap."""
    return "<" in text or "◁" in text


def next_mark(text: str, position: int) -> tuple[int, str]:
    """Where the next mark from there on is, and which. An empty one: where, at the text's end, one may have begun."""
    match = _MARK.search(text, position)
    return (match.start(), match[0]) if match is not None else (_begun(text, position, _ALL), "")


def mark_end(text: str, position: int, mark: str) -> tuple[int, bool]:
    """Where this mark from there on ends, and True; or where, at the text's end, it may have begun, and False."""
    found = text.find(mark, position)
    return (_begun(text, position, (mark,)), False) if found < 0 else (found + len(mark), True)


def _begun(text: str, position: int, marks: tuple[str, ...]) -> int:
    for match in _FIRST.finditer(text, max(position, len(text) - _CHARS_MAX + 1)):
        rest = text[match.start() :]
        if any(mark.startswith(rest) for mark in marks):
            return match.start()
    return len(text)
