"""What the models at Together do not take, by their names there.

From https://docs.together.ai/docs/inference/chat/reasoning: some only reason and can not be kept from it, some can be
told how much (`low`, `medium`, `high`), some are turned on and off; all others do not reason. What Qwen's names say is
told in `alibaba_models`.
"""

from __future__ import annotations

from typing import Final

from headwater.providers.model_limits import Limits, Models

_EFFORTS: Final = Limits(efforts=frozenset({"low", "medium", "high"}))
_NEVER: Final = Limits(lacks=frozenset({"reasoning"}))
_TEXT: Final = frozenset({"images"})

MODELS: Final = Models(
    (r"openai/gpt-oss|deepseek-ai/deepseek-r1|minimaxai/minimax-m2|qwen/qwq", _EFFORTS._replace(lacks=_TEXT)),
    (r"qwen/qwen3-vl-.*-thinking", _EFFORTS),
    (r"qwen/qwen3-(?!.*omni).*-thinking", _EFFORTS._replace(lacks=_TEXT)),
    (r"meta-llama/llama-4|meta-llama/llama-3\.2-.*vision|qwen/qwen(?:3|2|2\.5)-vl-", _NEVER),
    (
        r"meta-llama/(?:meta-)?llama-3|qwen/(?:qwen3-coder|qwen3-(?!.*omni).*-instruct|qwen2(?:\.5)?-)",
        _NEVER._replace(lacks=_NEVER.lacks | _TEXT),
    ),
    # None of the models is told to reason a minimum, nor beyond what is much.
    (r"", Limits(efforts=frozenset({"none", "low", "medium", "high"}))),
)
