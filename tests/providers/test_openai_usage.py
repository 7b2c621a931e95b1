"""Usage comes out in OpenAI's sense, wherever a server put its numbers."""

import math
from typing import Any

import pytest

from headwater.domain.message import Usage
from headwater.providers.openai_usage import CHAT, RESPONSES, read_usage


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 40,
                "total_tokens": 49,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(9, 4, 40, 30),
            id="openai",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cache_write_tokens": 6}},
            Usage(9, 0, 4, 0, cache_write_tokens=6),
            id="openrouter: put into a cache",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None},
            Usage(9, 0, 4, 0),
            id="null details",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 4, "prompt_cache_hit_tokens": 8}, Usage(9, 8, 4, 0), id="deepseek"
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 2}, Usage(9, 2, 4, 0), id="together"
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 1,
                "total_tokens": 31,
                "completion_tokens_details": {"reasoning_tokens": 20},
                "cost_in_usd_ticks": 15_000_000,
            },
            Usage(10, 0, 21, 20, 0.0015),
            id="xai: reasoning is apart, cost in ticks",
        ),
        pytest.param(
            {"prompt_tokens": 1, "completion_tokens": 1, "cost_in_usd_ticks": 0}, Usage(1, 0, 1, 0), id="no ticks"
        ),
        pytest.param(
            {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.25}, Usage(1, 0, 2, 0, 0.25), id="openrouter"
        ),
        pytest.param(
            {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0}, Usage(1, 0, 2, 0, 0.0), id="openrouter: free"
        ),
        pytest.param(
            {"prompt_tokens": 1, "completion_tokens": 2, "cost": {"total_cost": 0.5}},
            Usage(1, 0, 2, 0, 0.5),
            id="perplexity",
        ),
        pytest.param({"prompt_tokens": 3.0, "completion_tokens": 4.0}, Usage(3, 0, 4, 0), id="counts as floats"),
    ],
)
def test_usage(reported: dict[str, Any], usage: Usage) -> None:
    assert read_usage(reported, CHAT) == usage


@pytest.mark.parametrize("nonsense", [None, True, -1, "12", [], {}, math.nan, math.inf, 2**53])
def test_what_is_not_a_count_is_nothing(nonsense: object) -> None:
    reported = {
        "prompt_tokens": nonsense,
        "completion_tokens": 4,
        "cost": nonsense,
        "completion_tokens_details": nonsense,
    }
    assert read_usage(reported, CHAT) == Usage(0, 0, 4, 0)


@pytest.mark.parametrize(
    "reported",
    [
        {"prompt_tokens": -5, "completion_tokens": 1e30, "total_tokens": None},
        {"prompt_tokens": None, "completion_tokens": "12"},
        {"cost": 0.25},
    ],
)
def test_without_a_count_nothing_was_reported(reported: dict[str, Any]) -> None:
    assert read_usage(reported, CHAT) is None


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        pytest.param(
            {
                "input_tokens": 9,
                "output_tokens": 40,
                "total_tokens": 49,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(9, 4, 40, 30),
            id="openai",
        ),
        pytest.param({"input_tokens": 9, "output_tokens": 4, "cost": 0.25}, Usage(9, 0, 4, 0, 0.25), id="openrouter"),
        pytest.param(
            {"input_tokens": 573, "output_tokens": 125, "total_tokens": 698, "cost_in_usd_ticks": 5_583_500},
            Usage(573, 0, 125, 0, 0.00055835),
            id="xai",
        ),
    ],
)
def test_usage_of_responses(reported: dict[str, Any], usage: Usage) -> None:
    assert read_usage(reported, RESPONSES) == usage
    assert read_usage(reported, CHAT) is None


def test_a_count_of_more_digits_than_a_float_has_room_for_is_none() -> None:
    assert read_usage({"prompt_tokens": 10**400, "completion_tokens": 2}, CHAT) == Usage(0, 0, 2, 0)
