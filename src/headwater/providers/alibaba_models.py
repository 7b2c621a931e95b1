"""What the models at Alibaba's Model Studio do not take, by their names there.

Some of Qwen's open models only think and some never do, which their names say: `Instruct` and Coder "support only
non-thinking mode", `Thinking` only thinks (https://qwen.readthedocs.io/en/latest/getting_started/quickstart.html, and
"thinking-only" at https://www.alibabacloud.com/help/en/model-studio/deep-thinking). What came before Qwen3 does not
think but for QwQ and QVQ. Of names that stand for a newer model every few months (`qwen-plus`) nothing is known.
"""

from __future__ import annotations

from typing import Final

from headwater.providers.model_limits import Limits, Models

_ALWAYS: Final = Limits(efforts=frozenset({"minimal", "low", "medium", "high"}))
_NEVER: Final = Limits(lacks=frozenset({"reasoning"}))
_TEXT: Final = frozenset({"images"})

MODELS: Final = Models(
    (r"qvq|qwen3-vl-.*-thinking", _ALWAYS),
    (r"qwq|qwen3-(?!.*omni).*-thinking", _ALWAYS._replace(lacks=_TEXT)),
    (r"qwen3-vl-.*-instruct|qwen2(?:\.5)?-(?:vl|omni)", _NEVER),
    (r"qwen3-coder|qwen3-(?!.*omni).*-instruct|qwen(?:1\.5|2|2\.5)-", _NEVER._replace(lacks=_NEVER.lacks | _TEXT)),
)
