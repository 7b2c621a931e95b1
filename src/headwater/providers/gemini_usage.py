"""The tokens that Gemini reports, in the one form that we keep."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.domain.message import Usage
from headwater.providers.reported_figures import count, figure


class UsageMetadata(msgspec.Struct, gc=False, rename="camel"):
    """`usageMetadata` of https://ai.google.dev/api/generate-content#UsageMetadata. Each frame has a newer one."""

    prompt_token_count: Any = None
    cached_content_token_count: Any = None
    candidates_token_count: Any = None
    thoughts_token_count: Any = None
    tool_use_prompt_token_count: Any = None

    @property
    def counts(self) -> bool:
        """Whether tokens of the prompt or of the answer are counted; Vertex also reports where there is nothing new."""
        return self.prompt_token_count is not None or self.candidates_token_count is not None


def read_usage(reported: UsageMetadata, *, final: bool = True) -> Usage | None:
    """The usage in OpenAI's sense; None where neither the prompt nor the answer was counted. Until the counts are
    `final` they are an estimate.

    Gemini counts apart what it thought and what its own tools gave it to read: the first is output here, the second
    input. Cached tokens are among those of the prompt. Whatever is missing or is not a count is 0.
    """
    if figure(reported.prompt_token_count) is None and figure(reported.candidates_token_count) is None:
        return None
    thoughts = count(reported.thoughts_token_count)
    return Usage(
        count(reported.prompt_token_count) + count(reported.tool_use_prompt_token_count),
        count(reported.cached_content_token_count),
        count(reported.candidates_token_count) + thoughts,
        thoughts,
        source="provider" if final else "estimated",
    )
