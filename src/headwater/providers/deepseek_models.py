"""What DeepSeek's models do not take, by their names.

While they think they pass over a temperature and penalties, without a word
(https://api-docs.deepseek.com/guides/thinking_mode), and the older `deepseek-reasoner` refuses `logprobs`
(https://api-docs.deepseek.com/guides/reasoning_model). They think unless that is turned off; `deepseek-chat` does not.
"""

from __future__ import annotations

from typing import Final

from headwater.providers.model_limits import Limits, Models

_FIXED: Final = (("temperature", 1.0), ("frequency_penalty", 0.0), ("presence_penalty", 0.0))

MODELS: Final = Models(
    (r"deepseek-reasoner", Limits(fixed=(*_FIXED, ("top_p", 1.0), ("logprobs", None)), fixed_when="unless_off")),
    (r"deepseek-chat", Limits(fixed=_FIXED, fixed_when="if_asked")),
    (r"deepseek-(?:v4|flash|pro)", Limits(fixed=_FIXED, fixed_when="unless_off")),
)
