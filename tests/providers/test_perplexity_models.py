"""What is known of Perplexity's models."""

import pytest

from headwater.providers.perplexity_models import MODELS
from tests.providers.efforts import EFFORTS, known_efforts

ALL = ("text", "reasoning", "tools", "json_schema", "images")
#: Where none is refused here: the server will say it, or reasoning is refused before.
ANY = {*EFFORTS}


@pytest.mark.parametrize(
    ("model", "lacks", "known"),
    [
        ("sonar", {"reasoning"}, ANY),
        ("sonar-pro", {"reasoning"}, ANY),
        ("sonar-reasoning", set(), set()),
        ("sonar-reasoning-pro", set(), set()),
        ("sonar-deep-research", set(), {"low", "medium", "high"}),
        ("sonar-something-newer", set(), ANY),
    ],
)
def test_a_name_says_what_a_model_can_not_and_which_efforts_it_knows(
    model: str, lacks: set[str], known: set[str]
) -> None:
    assert set(ALL) - set(MODELS.able(model, ALL)) == lacks
    assert known_efforts(MODELS, model) == known
