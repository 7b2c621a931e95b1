"""Each generation of Claude takes what its migration guide says, whatever its name is spelled like."""

import pytest

from headwater.domain.message import ReasoningEffort
from headwater.providers.anthropic_models import CAPABILITIES, UNKNOWN, Traits, capabilities_of, traits_of

MAX, BOTH = frozenset[ReasoningEffort]({"max"}), frozenset[ReasoningEffort]({"xhigh", "max"})
#: One model of each kind, in the order of the fields of `Traits`.
KINDS = {
    "claude-3-5-haiku-20241022": Traits("none", "is_off", False, True, True, False, True),
    "claude-3-7-sonnet-20250219": Traits("budget", "is_off", False, True, True, False, True),
    "claude-opus-4-20250514": Traits("budget", "is_off", False, True, True, False, True),
    "claude-opus-4-1-20250805": Traits("budget", "is_off", False, True, True, True, True, False),
    "claude-sonnet-4-5-20250929": Traits("budget", "is_off", False, True, True, True, True, False),
    "claude-opus-4-5-20251101": Traits("budget", "is_off", True, True, True, True, True, False),
    "claude-opus-4-6": Traits("adaptive", "is_off", True, True, False, True, True, False, MAX),
    "claude-opus-4-7": Traits("adaptive", "is_off", True, False, False, True, True, True, BOTH),
    "claude-opus-5": Traits("adaptive", "disabled", True, False, False, True, True, True, BOTH),
    "claude-sonnet-5": Traits("adaptive", "disabled", True, False, False, True, True, True, BOTH),
    "claude-haiku-5-5": Traits("adaptive", "disabled", True, False, False, True, True, True, BOTH),
    "claude-sonnet-5-5": Traits("adaptive", "between_tools", True, False, False, True, False, True, BOTH),
    "claude-opus-5-5": Traits("adaptive", "never", True, False, False, True, False, True, BOTH),
    "claude-fable-5": Traits("adaptive", "never", True, False, False, True, True, True, BOTH),
    "claude-fable-5-1": Traits("adaptive", "never", True, False, False, True, False, True, BOTH),
    "claude-mythos-preview": Traits("adaptive", "never", True, False, False, True, True, True, MAX),
}


@pytest.mark.parametrize("model", KINDS)
def test_kinds(model: str) -> None:
    assert traits_of(model) == KINDS[model]


@pytest.mark.parametrize(
    ("spelled", "model"),
    [
        ("anthropic/claude-opus-4.5", "claude-opus-4-5-20251101"),
        ("us.anthropic.claude-opus-4-6-v1:0", "claude-opus-4-6"),
        ("Claude-3.7-Sonnet", "claude-3-7-sonnet-20250219"),
        ("claude-haiku-4-5", "claude-sonnet-4-5-20250929"),
        ("claude-3-opus-20240229", "claude-3-5-haiku-20241022"),
        ("claude-mythos-5", "claude-fable-5"),
        ("claude-opus-7", "claude-opus-5-5"),
    ],
)
def test_spellings(spelled: str, model: str) -> None:
    assert traits_of(spelled) == KINDS[model]


@pytest.mark.parametrize("name", ["", "claude", "claude-sonnet-latest", "a-name-of-ones-own", "gpt-5"])
def test_of_a_name_that_says_nothing_nothing_is_refused(name: str) -> None:
    assert traits_of(name) == UNKNOWN
    assert all((UNKNOWN.sampling, UNKNOWN.prefill, UNKNOWN.json_schema, UNKNOWN.forced_tools))


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        ("claude-3-5-haiku-20241022", {"reasoning", "json_schema"}),
        ("claude-opus-4-20250514", {"json_schema"}),
        ("claude-opus-4-5", set()),
        ("claude-opus-5-5", {"prefill"}),
        ("a-name-of-ones-own", {"prefill"}),
    ],
)
def test_capabilities(model: str, missing: set[str]) -> None:
    assert set(CAPABILITIES) - set(capabilities_of(model)) == missing
