"""What Perplexity's models do not take, by their names.

From the API's reference (https://docs.perplexity.ai/api-reference/chat-completions-post): `reasoning_effort` is for
`sonar-deep-research` only, and of the others those that reason do so as much as they see fit.
"""

from __future__ import annotations

from typing import Final

from headwater.providers.model_limits import Limits, Models

MODELS: Final = Models(
    (r"sonar(?:-pro)?$", Limits(lacks=frozenset({"reasoning"}))),
    (r"sonar-reasoning(?:-pro)?$", Limits(efforts=frozenset())),
    (r"sonar-deep-research$", Limits(efforts=frozenset({"low", "medium", "high"}))),
)
