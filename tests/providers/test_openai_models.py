"""What OpenAI's models can be asked for."""

import contextlib

import msgspec
import pytest

from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.errors import UnsupportedError
from headwater.providers.catalog import Catalog, ModelRow
from headwater.providers.openai_models import MODELS
from tests.providers.efforts import known_efforts

ALL = ("text", "reasoning", "tools", "json_schema", "images")


@pytest.mark.parametrize(
    ("model", "lacks"),
    [
        ("gpt-5", set()),
        ("gpt-5-mini", set()),
        ("gpt-5-nano-2025-08-07", set()),
        ("gpt-5.2-codex", set()),
        ("o3", set()),
        ("o4-mini", set()),
        ("ft:gpt-4o-mini:acme::abc", set()),
        ("something-newer", set()),
        ("gpt-5-chat-latest", {"reasoning"}),
        ("gpt-4o-mini", {"reasoning"}),
        ("gpt-4o-2024-08-06", {"reasoning"}),
        ("gpt-4.1-nano", {"reasoning"}),
        ("gpt-4o-2024-05-13", {"reasoning", "json_schema"}),
        ("gpt-4-turbo-2024-04-09", {"reasoning", "json_schema"}),
        ("gpt-4", {"reasoning", "json_schema", "images"}),
        ("gpt-4-0613", {"reasoning", "json_schema", "images"}),
        ("gpt-3.5-turbo", {"reasoning", "json_schema", "images"}),
        ("o3-mini", {"images"}),
        ("o1-mini-2024-09-12", {"tools", "json_schema", "images"}),
    ],
)
def test_a_name_says_what_a_model_lacks(model: str, lacks: set[str]) -> None:
    assert MODELS.able(model, ALL) == tuple(each for each in ALL if each not in lacks)


@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-5-nano-2025-08-07", "gpt-5", "o1", "o3-mini", "o4-mini"])
@pytest.mark.parametrize(
    ("refused", "taken"),
    [
        (Settings(temperature=0.2), Settings(temperature=1.0)),
        (Settings(top_p=0.5), Settings(top_p=1.0)),
        (Settings(frequency_penalty=0.5), Settings(frequency_penalty=0.0)),
        (Settings(presence_penalty=-1.0), Settings(presence_penalty=0.0)),
        (Settings(logprobs=0), Settings(seed=1)),
        (Settings(reasoning_effort="none"), Settings(reasoning_effort="low")),
    ],
)
def test_what_a_model_that_always_reasons_does_not_take(model: str, refused: Settings, taken: Settings) -> None:
    MODELS.fit(model, taken)
    with pytest.raises(UnsupportedError) as caught:
        MODELS.fit(model, refused)
    (name,) = msgspec.to_builtins(refused)
    assert caught.value.extra == {"pointer": f"/settings/{name}"}
    # Others take it, and of a name that says nothing nothing is known.
    for other in ("gpt-4o", "gpt-5.1", "gpt-5-chat-latest", "my-gpt-5-mini", "o3x"):
        MODELS.fit(other, refused)


@pytest.mark.parametrize("model", ["gpt-3.5-turbo", "gpt-4", "gpt-4o-mini", "gpt-4-turbo", "o3", "o4-mini"])
def test_a_model_before_gpt_5_takes_no_verbosity_but_what_it_has(model: str) -> None:
    assert MODELS.fit(model, Settings(verbosity="medium")) == Settings()
    with pytest.raises(UnsupportedError, match="takes no `verbosity` but medium") as caught:
        MODELS.fit(model, Settings(verbosity="low"))
    assert caught.value.extra == {"pointer": "/settings/verbosity"}
    for other in ("gpt-5-mini", "gpt-5.1", "gpt-5-chat-latest", "something-newer"):
        assert MODELS.fit(other, Settings(verbosity="low")) == Settings(verbosity="low")


@pytest.mark.parametrize(("model", "knows"), [("gpt-5-nano", True), ("gpt-5.1", False), ("o4-mini", False)])
def test_the_least_effort(model: str, knows: bool) -> None:
    with contextlib.nullcontext() if knows else pytest.raises(UnsupportedError, match="the effort `minimal`"):
        MODELS.fit(model, Settings(reasoning_effort="minimal"))


@pytest.mark.parametrize(
    ("model", "beyond_high"),
    [
        ("o3", set()),
        ("gpt-5-mini", set()),
        ("gpt-5-pro", set()),
        ("gpt-5.1", set()),
        ("gpt-5.1-codex", set()),
        ("gpt-5.1-codex-max", {"xhigh"}),
        ("gpt-5.2-2025-12-11", {"xhigh"}),
        ("gpt-5.4-mini", {"xhigh"}),
        ("gpt-5.5", {"xhigh"}),
        ("gpt-5.6", {"xhigh", "max"}),
        ("gpt-5.6-sol", {"xhigh", "max"}),
        ("gpt-6-sol", {"xhigh", "max"}),
        ("my-deployment", {"xhigh", "max"}),
    ],
)
def test_the_efforts_above_high(model: str, beyond_high: set[str]) -> None:
    assert known_efforts(MODELS, model) & {"xhigh", "max"} == beyond_high


@pytest.mark.parametrize("model", ["gpt-5.1", "gpt-5.2-2025-12-11", "gpt-5.4-mini"])
def test_a_later_model_takes_a_temperature_unless_it_is_asked_to_reason(model: str) -> None:
    for setting in (Settings(temperature=0.2), Settings(top_p=0.5), Settings(logprobs=1)):
        assert MODELS.fit(model, setting) == setting
        MODELS.fit(model, msgspec.structs.replace(setting, reasoning_effort="none"))
        with pytest.raises(UnsupportedError, match="while it reasons"):
            MODELS.fit(model, msgspec.structs.replace(setting, reasoning_effort="low"))
    MODELS.fit("gpt-5.5", Settings(temperature=0.2, reasoning_effort="low"))


def test_one_knows_a_single_effort() -> None:
    MODELS.fit("gpt-5-pro", Settings(reasoning_effort="high"))
    with pytest.raises(UnsupportedError, match="does not know the effort `low`, but `high`"):
        MODELS.fit("gpt-5-pro-2025-10-06", Settings(reasoning_effort="low"))


@pytest.mark.parametrize("provider", ["openai", "openai_responses"])
def test_what_a_model_does_not_take_is_refused_before_the_call(provider: str) -> None:
    rows = [
        ModelRow(name="mini", provider=provider, model="gpt-5-mini"),
        ModelRow(name="older", provider="openai", model="gpt-4o"),
        ModelRow(name="house", provider="azure", model="gpt-5-mini", base_url="https://a.openai.azure.com/v1"),
    ]
    cool = GenerationRequest("mini", [Message("user", "Why?")], Settings(temperature=0.2))
    with pytest.raises(UnsupportedError) as caught:
        Catalog.from_rows(rows, {}).check(cool)
    assert caught.value.message.startswith("The model `gpt-5-mini` takes no `temperature` but 1. `older`")


def test_a_model_of_the_same_provider_and_with_the_same_capabilities_can_be_the_one_that_can() -> None:
    rows = [
        ModelRow(name=name, provider="openai") for name in ("gpt-5-mini", "gpt-5-nano", "gpt-5.2", "gpt-5.4", "gpt-4o")
    ]
    catalog = Catalog.from_rows(rows, {})
    assert len({info.capabilities for info in catalog.models()[1:5]}) == 1
    with pytest.raises(UnsupportedError) as caught:
        catalog.check(GenerationRequest("gpt-5-mini", [Message("user", "Why?")], Settings(temperature=0.2)))
    assert caught.value.message.endswith("but 1. `gpt-5.2` or `gpt-4o` can.")


def test_a_model_that_can_not_reason_is_not_asked_to() -> None:
    rows = [
        ModelRow(name="old", provider="openai", model="gpt-4o-mini"),
        ModelRow(name="new", provider="openai_responses", model="gpt-5-mini"),
        ModelRow(name="a deployment", provider="azure", model="gpt-4o-mini", base_url="https://a.openai.azure.com/v1"),
    ]
    catalog = Catalog.from_rows(rows, {})
    hard = GenerationRequest("old", [Message("user", "Why?")], Settings(reasoning_effort="high"))
    with pytest.raises(UnsupportedError, match=r"^The model `old` can not reason\. `new` or `a deployment` can\.$"):
        catalog.check(hard)
