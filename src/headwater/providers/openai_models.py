"""What each of OpenAI's models can be asked for, by its name (https://platform.openai.com/docs/models).

Of a name that says nothing (a fine-tuned model, a deployment, one that is newer than this table) nothing is refused:
the server will say it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from headwater.domain.message import Settings
from headwater.errors import UnsupportedError

#: What a model lacks; the first that matches the beginning of its name counts.
_LACKS: Final = (
    (re.compile(r"gpt-3\.5|gpt-4(?:-\d{4}|-32k|$)"), {"reasoning", "json_schema", "images"}),
    (re.compile(r"gpt-4-turbo|gpt-4-(?:1106|0125|vision)|gpt-4o-2024-05-13|chatgpt-4o"), {"reasoning", "json_schema"}),
    (re.compile(r"gpt-4|gpt-5-chat"), {"reasoning"}),
    (re.compile(r"o1-(?:mini|preview)"), {"tools", "json_schema", "images"}),
    (re.compile(r"o3-mini"), {"images"}),
)

#: Those that reason whatever is asked for. Later ones can be kept from it, and then take what these do not.
_ALWAYS_REASONS: Final = re.compile(r"(?:o[134](?:-mini|-pro|-preview)?|gpt-5(?:-mini|-nano)?)(?:-\d{4}.*)?")
#: What those take of each setting, which is its default (https://platform.openai.com/docs/guides/reasoning).
_FIXED: Final[Mapping[str, float | None]] = {
    "temperature": 1,
    "top_p": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logprobs": None,
}
#: Which efforts a model does not know.
_EFFORTS: Final = (
    (re.compile(r"o[134]\b"), {"none", "minimal"}),
    (re.compile(r"gpt-5(?:-mini|-nano)?(?:-\d{4}|$)"), {"none"}),
    (re.compile(r"gpt-5\.\d"), {"minimal"}),
)


def check(model: str, settings: Settings) -> None:
    """Raises `UnsupportedError` for a setting that a model, by OpenAI's name for it, is known to refuse."""
    if _ALWAYS_REASONS.fullmatch(model):
        for name, only in _FIXED.items():
            if getattr(settings, name) not in (None, only):
                but = "" if only is None else f" but {only}"
                raise UnsupportedError(f"The model `{model}` takes no `{name}`{but}.", pointer=f"/settings/{name}")
    effort = settings.reasoning_effort
    if any(pattern.match(model) and effort in unknown for pattern, unknown in _EFFORTS):
        raise UnsupportedError(
            f"The model `{model}` does not know the effort `{effort}`.", pointer="/settings/reasoning_effort"
        )


def able(model: str, capabilities: Sequence[str]) -> tuple[str, ...]:
    """Which of these a model has, by OpenAI's name for it."""
    lacks: set[str] = next((lacks for pattern, lacks in _LACKS if pattern.match(model)), set())
    return tuple(each for each in capabilities if each not in lacks)
