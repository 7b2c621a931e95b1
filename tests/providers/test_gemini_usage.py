"""Gemini's counts, in the sense of ours."""

from typing import Any

import pytest

from headwater.domain.message import Usage
from headwater.providers.gemini_usage import UsageMetadata, read_usage


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({}, None),
        ({"thoughts_token_count": 5}, None),
        ({"prompt_token_count": 11}, Usage(11, 0, 0, 0)),
        ({"prompt_token_count": 11, "candidates_token_count": 2, "thoughts_token_count": 291}, Usage(11, 0, 293, 291)),
        ({"prompt_token_count": 15, "tool_use_prompt_token_count": 770}, Usage(785, 0, 0, 0)),
        ({"prompt_token_count": 900, "cached_content_token_count": 800}, Usage(900, 800, 0, 0)),
        ({"prompt_token_count": 3.0, "candidates_token_count": 0}, Usage(3, 0, 0, 0)),
        ({"prompt_token_count": True, "candidates_token_count": 2**53}, None),
        ({"prompt_token_count": -1, "candidates_token_count": 4}, Usage(0, 0, 4, 0)),
        ({"prompt_token_count": 7, "candidates_token_count": float("inf")}, Usage(7, 0, 0, 0)),
        ({"prompt_token_count": 7, "thoughts_token_count": "many"}, Usage(7, 0, 0, 0)),
    ],
)
def test_usage(reported: dict[str, Any], expected: Usage | None) -> None:
    assert read_usage(UsageMetadata(**reported)) == expected


def test_what_is_not_final_is_an_estimate() -> None:
    assert read_usage(UsageMetadata(prompt_token_count=3), final=False) == Usage(3, source="estimated")
