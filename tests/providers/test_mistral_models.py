"""What is known of Mistral's models."""

import pytest

from headwater.domain.message import GenerationRequest, Message
from headwater.errors import UnsupportedError
from headwater.providers.mistral_models import MODELS
from headwater.providers.servers import SERVERS
from tests.providers.efforts import EFFORTS, known_efforts

ALL = ("text", "reasoning", "tools", "json_schema", "images")


@pytest.mark.parametrize(
    ("model", "lacks"),
    [
        ("open-mistral-nemo", {"reasoning", "images"}),
        ("codestral-latest", {"reasoning", "images"}),
        ("mistral-large-2411", {"reasoning", "images"}),
        ("ministral-8b-2410", {"reasoning", "images"}),
        ("mistral-large-2512", {"reasoning"}),
        ("mistral-medium-2508", {"reasoning"}),
        ("pixtral-large-latest", {"reasoning"}),
        ("magistral-medium-2507", {"images"}),
        ("magistral-medium-2509", set()),
        ("mistral-small-2603", set()),
        ("mistral-large-latest", set()),
        ("zai-glm-5-2", set()),
    ],
)
def test_a_name_says_what_a_model_lacks(model: str, lacks: set[str]) -> None:
    assert set(ALL) - set(MODELS.able(model, ALL)) == lacks


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("mistral-small-latest", {"none", "high"}),
        ("mistral-medium-3-5", {"none", "high"}),
        ("magistral-medium-2509", set()),
        ("mistral-medium-latest", set(EFFORTS)),
    ],
)
def test_which_efforts_a_model_knows(model: str, known: set[str]) -> None:
    assert known_efforts(MODELS, model) == known


def test_a_message_has_no_name() -> None:
    request = GenerationRequest("mistral-small-latest", [Message("user", "Why?", name="ann")])
    with pytest.raises(UnsupportedError) as caught:
        SERVERS["mistral"].dialect().request(request)
    assert caught.value.extra == {"pointer": "/messages/0/name"}
