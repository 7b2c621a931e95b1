"""What each Gemini makes of being asked to think, by its name (https://ai.google.dev/gemini-api/docs/thinking), and
what it does not take of Google's own API.

Of a name that says nothing (`gemini-flash-latest`, another maker's model on Vertex) nothing is refused: the server
will say it.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from headwater.providers.model_limits import Limits, Models


class Thinking(NamedTuple):
    """How a model is told how much to think."""

    #: not at all, by a budget of tokens, or by a level
    by: Literal["none", "budget", "level"]
    #: whether it can be kept from thinking
    can_stop: bool = False
    #: the least budget but 0
    budget_min: int = 1
    #: whether there is a level above `high`, in the API's own words
    xhigh: bool = False

    @property
    def signs(self) -> bool:
        """Whether a turn's first call is refused without the signature of the thought behind it: from Gemini 3 on."""
        return self.by == "level"

    @property
    def sees_by_part(self) -> bool:
        """Whether each image can say how well it is to be seen: from Gemini 3 on; older ones see all of them alike
        (https://ai.google.dev/gemini-api/docs/media-resolution)."""
        return self.by == "level"


#: The first that matches the last part of a name.
_MODELS: Final = (
    (re.compile(r"gemini-(?:1\.|2\.0)(?!.*thinking)"), Thinking("none", can_stop=True)),
    (re.compile(r"gemini-2\.5-pro"), Thinking("budget", budget_min=128)),
    (re.compile(r"gemini-2\.5-flash-lite"), Thinking("budget", can_stop=True, budget_min=512)),
    (re.compile(r"gemini-[12]\b"), Thinking("budget", can_stop=True)),
    (re.compile(r"gemini-3(?:\.[0-5])?\b"), Thinking("level")),
)
#: `ThinkingLevel` has had an `XHIGH` for these (https://googleapis.github.io/python-genai/genai.html): it is theirs to
#: refuse.
_NEWER: Final = Thinking("level", xhigh=True)

#: Behind Google's own API, penalties came to an end with 2.5: "Penalty is not enabled for this model", but for 0
#: (https://github.com/google-gemini/cookbook/issues/1290). On Vertex AI they are taken.
MODELS: Final = Models(
    (r"(?:models/)?gemini-(?:2\.5|3)", Limits(fixed=(("frequency_penalty", 0.0), ("presence_penalty", 0.0))))
)

#: What a request can ask any of them for.
CAPABILITIES: Final = ("text", "reasoning", "tools", "json_schema", "images", "seed")


def thinking_of(model: str) -> Thinking:
    """By the provider's name for the model, in any of its forms."""
    name = model.rpartition("/")[2]
    return next((thinking for pattern, thinking in _MODELS if pattern.match(name)), _NEWER)


def kind_of(model: str) -> tuple[Thinking, Limits]:
    """Equal for models that take the same."""
    return thinking_of(model), MODELS.limits_of(model)


def capabilities_of(model: str) -> tuple[str, ...]:
    """What a model can be asked for."""
    thinks = thinking_of(model).by != "none"
    return tuple(each for each in CAPABILITIES if thinks or each != "reasoning")
