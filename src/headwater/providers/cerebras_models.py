"""What the models at Cerebras do not take, by their names there.

From https://inference-docs.cerebras.ai/capabilities/reasoning: gpt-oss reasons always, more or less; of the others few
can be told to, and Llama and the Qwen that only instructs do not reason at all.
"""

from __future__ import annotations

from typing import Final

from headwater.providers.model_limits import Limits, Models

_NO_REASONING: Final = Limits(lacks=frozenset({"reasoning"}))

MODELS: Final = Models(
    (r"gpt-oss", Limits(lacks=frozenset({"images"}), efforts=frozenset({"low", "medium", "high"}))),
    (r"llama-?3(?:\.[13])?-", Limits(lacks=frozenset({"reasoning", "images"}))),
    (r"llama|qwen-3-coder|qwen-3-.*-instruct", _NO_REASONING),
    # None of the models is told to reason a minimum, nor beyond what is much.
    (r"", Limits(efforts=frozenset({"none", "low", "medium", "high"}))),
)
