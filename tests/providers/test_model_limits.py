"""What a table of models says of a name, and what becomes of settings that a model does not take."""

from typing import Any, Literal

import pytest

from headwater.domain.message import Settings
from headwater.errors import UnsupportedError
from headwater.providers.model_limits import NO_LIMITS, Limits, Models

ALL = ("text", "reasoning", "tools")
COOL = (("temperature", 1.0), ("logprobs", None), ("stop", None))


def models(**limits: Any) -> Models:
    return Models(("thinker", Limits(**limits)))


def test_the_first_row_that_matches_the_beginning_of_a_name_counts() -> None:
    table = Models(("a-1", Limits(lacks=frozenset({"tools"}))), ("a", Limits(lacks=frozenset({"reasoning"}))))
    assert table.able("A-1-preview", ALL) == ("text", "reasoning")
    assert table.able("a-2", ALL) == ("text", "tools")
    assert table.able("house/a-1", ALL) == ALL
    assert table.limits_of("b") is NO_LIMITS
    assert table.limits_of("a-1") == table.limits_of("a-1-preview") != table.limits_of("a-2")


def test_of_a_name_that_says_nothing_nothing_is_refused_or_left_out() -> None:
    settings = Settings(temperature=0.1, logprobs=3, stop=["a"], reasoning_effort="none")
    assert models(fixed=COOL, efforts=frozenset()).fit("other", settings) is settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(temperature=0.0), "takes no `temperature` but 1."),
        (Settings(logprobs=0), "takes no `logprobs`."),
        (Settings(stop=["."]), "takes no `stop`."),
    ],
)
def test_what_a_model_does_not_take_is_refused(settings: Settings, words: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        models(fixed=COOL).fit("thinker", settings)
    assert caught.value.message == f"The model `thinker` {words}"
    assert caught.value.extra == {"pointer": f"/settings/{words.split('`')[1]}"}


def test_what_asks_for_what_happens_anyway_is_not_said() -> None:
    settings = Settings(temperature=1.0, top_p=0.5, max_tokens=5)
    assert models(fixed=COOL).fit("thinker", settings) == Settings(top_p=0.5, max_tokens=5)
    plain = Settings(top_p=0.5)
    assert models(fixed=COOL).fit("thinker", plain) is plain


@pytest.mark.parametrize(
    ("when", "refused"),
    [("always", {None, "none", "low"}), ("unless_off", {None, "low"}), ("if_asked", {"low"})],
)
def test_when_a_setting_is_fixed(when: str, refused: set[str | None]) -> None:
    efforts: tuple[Literal["none", "low"] | None, ...] = (None, "none", "low")
    table = models(fixed=COOL, fixed_when=when)
    for effort in efforts:
        settings = Settings(temperature=0.5, reasoning_effort=effort)
        if effort in refused:
            with pytest.raises(UnsupportedError, match="`temperature` but 1"):
                table.fit("thinker", settings)
        else:
            assert table.fit("thinker", settings) is settings


def test_an_effort_that_is_not_known_is_refused_with_those_that_are() -> None:
    table = models(efforts=frozenset({"high", "none", "low"}))
    table.fit("thinker", Settings(reasoning_effort="high"))
    with pytest.raises(UnsupportedError) as caught:
        table.fit("thinker", Settings(reasoning_effort="minimal"))
    assert caught.value.message == (
        "The model `thinker` does not know the effort `minimal`, but `none`, `low`, `high`."
    )
    assert caught.value.extra == {"pointer": "/settings/reasoning_effort"}
    with pytest.raises(UnsupportedError, match=r"^The model `thinker` takes no `reasoning_effort`\.$"):
        models(efforts=frozenset()).fit("thinker", Settings(reasoning_effort="none"))


def test_a_model_that_does_not_reason_is_not_told_not_to() -> None:
    assert models(lacks=frozenset({"reasoning"})).fit("thinker", Settings(reasoning_effort="none")) == Settings()
