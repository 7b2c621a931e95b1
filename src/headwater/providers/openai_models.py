"""What each of OpenAI's models can be asked for, by its name (https://platform.openai.com/docs/models).

Of a name that says nothing (a fine-tuned model, a deployment, one that is newer than this table) nothing is refused:
the server will say it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: What a model lacks; the first that matches the beginning of its name counts.
_LACKS: Final = (
    (re.compile(r"gpt-3\.5|gpt-4(?:-\d{4}|-32k|$)"), {"reasoning", "json_schema", "images"}),
    (re.compile(r"gpt-4-turbo|gpt-4-(?:1106|0125|vision)|gpt-4o-2024-05-13|chatgpt-4o"), {"reasoning", "json_schema"}),
    (re.compile(r"gpt-4|gpt-5-chat"), {"reasoning"}),
    (re.compile(r"o1-(?:mini|preview)"), {"tools", "json_schema", "images"}),
    (re.compile(r"o3-mini"), {"images"}),
)


def able(model: str, capabilities: Sequence[str]) -> tuple[str, ...]:
    """Which of these a model has, by OpenAI's name for it."""
    lacks: set[str] = next((lacks for pattern, lacks in _LACKS if pattern.match(model)), set())
    return tuple(each for each in capabilities if each not in lacks)
