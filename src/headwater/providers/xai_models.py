"""What xAI's models do not take, by their names, in Chat Completions and in Responses.

From https://docs.x.ai/docs/guides/reasoning: models that reason take no `stop` and no penalties, even of 0, and few of
them can be told how much to reason. Which are and which can was seen at the API as well
(https://github.com/NousResearch/hermes-agent/pull/23435). 4.20 came before 4.3.
"""

from __future__ import annotations

from typing import Final

from headwater.providers.model_limits import Limits, Models

_FIXED: Final = (("frequency_penalty", 0.0), ("presence_penalty", 0.0), ("stop", None))
#: Reasons always, as much as it sees fit.
_UNTOLD: Final = Limits(fixed=_FIXED, efforts=frozenset())
_NO_REASONING: Final = Limits(lacks=frozenset({"reasoning"}))

MODELS: Final = Models(
    (r"grok-2-vision", _NO_REASONING),
    (r"grok-2", Limits(lacks=frozenset({"reasoning", "images"}))),
    (r"grok-3-mini", Limits(frozenset({"images"}), _FIXED, efforts=frozenset({"low", "high"}))),
    (r"grok-3", Limits(lacks=frozenset({"reasoning", "images"}))),
    (r"grok-code-fast-1", _UNTOLD),
    (r"grok-4\.20.*non-reasoning", _NO_REASONING._replace(fixed=(("presence_penalty", 0.0),))),
    (r"grok-4.*non-reasoning", _NO_REASONING),
    # There the effort is how many agents there are.
    (r"grok-4\.20-multi-agent", Limits(fixed=_FIXED)),
    (r"grok-4(?:-0709|-latest)?$|grok-4(?:-1|\.1)?-fast|grok-4\.20", _UNTOLD),
    (r"grok-4\.3(?!\d)", Limits(fixed=_FIXED, efforts=frozenset({"none", "low", "medium", "high"}))),
    (r"grok-4\.[56](?!\d)", Limits(fixed=_FIXED, efforts=frozenset({"low", "medium", "high"}))),
)
