"""What is known of the models at Alibaba's Model Studio."""

import pytest

from headwater.providers.alibaba_models import MODELS
from tests.providers.efforts import EFFORTS, known_efforts

ALL = ("text", "reasoning", "tools", "json_schema", "images")
#: Where none is refused here: the server will say it, or reasoning is refused before.
ANY = {*EFFORTS}


@pytest.mark.parametrize(
    ("model", "lacks", "known"),
    [
        ("qwq-plus", {"images"}, {"minimal", "low", "medium", "high"}),
        ("qvq-max", set(), {"minimal", "low", "medium", "high"}),
        ("qwen3-235b-a22b-thinking-2507", {"images"}, {"minimal", "low", "medium", "high"}),
        ("qwen3-next-80b-a3b-thinking", {"images"}, {"minimal", "low", "medium", "high"}),
        ("qwen3-vl-235b-a22b-thinking", set(), {"minimal", "low", "medium", "high"}),
        ("qwen3-vl-235b-a22b-instruct", {"reasoning"}, ANY),
        ("qwen3-30b-a3b-instruct-2507", {"reasoning", "images"}, ANY),
        ("qwen3-coder-plus", {"reasoning", "images"}, ANY),
        ("qwen2.5-72b-instruct", {"reasoning", "images"}, ANY),
        ("qwen2.5-vl-72b-instruct", {"reasoning"}, ANY),
        ("qwen2.5-omni-7b", {"reasoning"}, ANY),
        ("qwen3-omni-30b-a3b-thinking", set(), ANY),
        ("qwen3-32b", set(), ANY),
        ("qwen3-max", set(), ANY),
        ("qwen-plus", set(), ANY),
        ("qwen3.6-plus", set(), ANY),
        ("deepseek-v3.2", set(), ANY),
    ],
)
def test_a_name_says_what_a_model_can_not_and_which_efforts_it_knows(
    model: str, lacks: set[str], known: set[str]
) -> None:
    assert set(ALL) - set(MODELS.able(model, ALL)) == lacks
    assert known_efforts(MODELS, model) == known
