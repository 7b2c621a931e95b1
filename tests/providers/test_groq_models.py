"""What is known of the models at Groq."""

import pytest

from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.errors import UnsupportedError
from headwater.providers.catalog import Catalog, ModelRow
from headwater.providers.groq_models import MODELS
from headwater.providers.servers import SERVERS
from tests.providers.efforts import EFFORTS, known_efforts

ALL = ("text", "reasoning", "tools", "json_schema", "images")


@pytest.mark.parametrize(
    ("model", "lacks"),
    [
        ("llama-3.1-8b-instant", {"reasoning", "json_schema", "images"}),
        ("llama-3.3-70b-versatile", {"reasoning", "json_schema", "images"}),
        ("llama3-8b-8192", {"reasoning", "json_schema", "images"}),
        ("llama-3.2-90b-vision-preview", set()),
        ("meta-llama/llama-4-scout-17b-16e-instruct", {"reasoning"}),
        ("openai/gpt-oss-120b", {"images"}),
        ("qwen/qwen3-32b", {"json_schema", "images"}),
        ("qwen/qwen3.8-27b", set()),
        ("groq/compound-mini", {"tools"}),
        ("something-newer", set()),
    ],
)
def test_a_name_says_what_a_model_lacks(model: str, lacks: set[str]) -> None:
    assert set(ALL) - set(MODELS.able(model, ALL)) == lacks


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("openai/gpt-oss-20b", {"low", "medium", "high"}),
        ("qwen/qwen3-32b", {"none"}),
        ("qwen/qwen3.6-27b", {"none"}),
        ("qwen/qwen3.8-27b", {"none", "low", "medium", "high"}),
        ("something-newer", set(EFFORTS)),
    ],
)
def test_which_efforts_a_model_knows(model: str, known: set[str]) -> None:
    assert known_efforts(MODELS, model) == known


@pytest.mark.parametrize(
    "model", ["llama-3.3-70b-versatile", "openai/gpt-oss-120b", "qwen/qwen3-32b", "something-newer"]
)
@pytest.mark.parametrize(
    "settings", [Settings(logprobs=1), Settings(frequency_penalty=1.0), Settings(presence_penalty=1.0)]
)
def test_what_none_of_them_takes(model: str, settings: Settings) -> None:
    with pytest.raises(UnsupportedError):
        MODELS.fit(model, settings)
    assert MODELS.fit(model, Settings(frequency_penalty=0.0)) == Settings()


def test_a_message_has_no_name() -> None:
    request = GenerationRequest("openai/gpt-oss-120b", [Message("user", "Why?", name="ann")])
    with pytest.raises(UnsupportedError) as caught:
        SERVERS["groq"].dialect().request(request)
    assert caught.value.extra == {"pointer": "/messages/0/name"}


def test_the_refusal_says_which_model_can() -> None:
    rows = [
        ModelRow(name="llama", provider="groq", model="llama-3.3-70b-versatile"),
        ModelRow(name="oss", provider="groq", model="openai/gpt-oss-120b"),
        ModelRow(name="qwen", provider="groq", model="qwen/qwen3-32b"),
    ]
    asked = GenerationRequest("llama", [Message("user", "Why?")], Settings(reasoning_effort="low"))
    with pytest.raises(UnsupportedError, match=r"^The model `llama` can not reason\. `oss` can\.$"):
        Catalog.from_rows(rows, {}).check(asked)
