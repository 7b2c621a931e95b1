"""What is known of the models at Cerebras."""

import pytest

from headwater.providers.cerebras_models import MODELS
from tests.providers.efforts import EFFORTS, known_efforts

ALL = ("text", "reasoning", "tools", "json_schema", "images")
#: Where none is refused here: the server will say it, or reasoning is refused before.
ANY = {*EFFORTS}


@pytest.mark.parametrize(
    ("model", "lacks", "known"),
    [
        ("gpt-oss-120b", {"images"}, {"low", "medium", "high"}),
        ("llama3.1-8b", {"reasoning", "images"}, ANY),
        ("llama-3.3-70b", {"reasoning", "images"}, ANY),
        ("llama-4-scout-17b-16e-instruct", {"reasoning"}, ANY),
        ("qwen-3-235b-a22b-instruct-2507", {"reasoning"}, ANY),
        ("qwen-3-coder-480b", {"reasoning"}, ANY),
        ("qwen-3-32b", set(), {"none", "low", "medium", "high"}),
        ("zai-glm-4.7", set(), {"none", "low", "medium", "high"}),
        ("something-newer", set(), {"none", "low", "medium", "high"}),
    ],
)
def test_a_name_says_what_a_model_can_not_and_which_efforts_it_knows(
    model: str, lacks: set[str], known: set[str]
) -> None:
    assert set(ALL) - set(MODELS.able(model, ALL)) == lacks
    assert known_efforts(MODELS, model) == known
