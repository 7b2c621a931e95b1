"""What is known of the models at Together."""

import pytest

from headwater.providers.together_models import MODELS
from tests.providers.efforts import EFFORTS, known_efforts

ALL = ("text", "reasoning", "tools", "json_schema", "images")
#: Where none is refused here: the server will say it, or reasoning is refused before.
ANY = {*EFFORTS}


@pytest.mark.parametrize(
    ("model", "lacks", "known"),
    [
        ("openai/gpt-oss-20b", {"images"}, {"low", "medium", "high"}),
        ("deepseek-ai/DeepSeek-R1-0528", {"images"}, {"low", "medium", "high"}),
        ("MiniMaxAI/MiniMax-M2.7", {"images"}, {"low", "medium", "high"}),
        ("Qwen/QwQ-32B", {"images"}, {"low", "medium", "high"}),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507", {"images"}, {"low", "medium", "high"}),
        ("Qwen/Qwen3-VL-8B-Thinking", set(), {"low", "medium", "high"}),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-tput", {"reasoning", "images"}, ANY),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8", {"reasoning", "images"}, ANY),
        ("Qwen/Qwen3-VL-32B-Instruct", {"reasoning"}, ANY),
        ("Qwen/Qwen2.5-7B-Instruct-Turbo", {"reasoning", "images"}, ANY),
        ("Qwen/Qwen2.5-VL-72B-Instruct", {"reasoning"}, ANY),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", {"reasoning", "images"}, ANY),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", {"reasoning", "images"}, ANY),
        ("meta-llama/Llama-3.2-11B-Vision-Instruct-Turbo", {"reasoning"}, ANY),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", {"reasoning"}, ANY),
        ("deepseek-ai/DeepSeek-V4-Pro", set(), {"none", "low", "medium", "high"}),
        ("something/newer", set(), {"none", "low", "medium", "high"}),
    ],
)
def test_a_name_says_what_a_model_can_not_and_which_efforts_it_knows(
    model: str, lacks: set[str], known: set[str]
) -> None:
    assert set(ALL) - set(MODELS.able(model, ALL)) == lacks
    assert known_efforts(MODELS, model) == known
