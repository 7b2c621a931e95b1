"""Headers that an operator adds to calls: which there can be, and what is said of the others."""

import pytest

from headwater.errors import ConfigError
from headwater.providers.headers import can_be_sent, check_headers


def test_what_a_provider_wants_to_know_of_the_application_can_be_said() -> None:
    check_headers({"HTTP-Referer": "https://app.example", "X-Title": "My app", "OpenAI-Project": "p"}, "Authorization")
    check_headers({}, "Authorization")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("Authorization", "Bearer canary-17", "api_key_env"),
        ("X-API-Key", "canary-17", "api_key_env"),
        ("content-LENGTH", "17", "can not be set"),
        ("Host", "elsewhere.example", "can not be set"),
        ("Cookie", "canary-17", "can not be set"),
        ("X-Title\r\nX-Other", "1", "no name"),
        ("", "1", "no name"),
        ("X-Title", "canary-17\r\nX-Other: 1", "the value of `X-Title`"),
        ("X-Title", " canary-17", "the value of `X-Title`"),
        ("X-Title", "", "the value of `X-Title`"),
        ("X-Title", "größer", "the value of `X-Title`"),
        ("X-Title", "x" * 1001, "the value of `X-Title`"),
    ],
)
def test_what_can_not_be_sent_is_refused_and_not_repeated(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_headers({name: value}, "x-api-key" if name == "X-API-Key" else "Authorization")
    assert words in caught.value.message
    assert "canary-17" not in caught.value.message


def test_there_is_a_limit() -> None:
    check_headers({f"X-{n}": "1" for n in range(20)}, "Authorization")
    with pytest.raises(ConfigError, match="at most 20"):
        check_headers({f"X-{n}": "1" for n in range(21)}, "Authorization")


def test_what_has_the_form_of_a_header() -> None:
    assert can_be_sent({"Content-Type": "application/json", "Host": "b.example"})
    assert not can_be_sent({"A": "b\nHost: elsewhere.example"})
    assert not can_be_sent({"A b": "c"})
