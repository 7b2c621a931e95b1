"""Keys stay inside, whatever is done to what holds them."""

import copy
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ConfigError
from headwater.providers.redact import REDACTED, Secret, redact, redact_bytes

CANARY = "canary/7f3a+Q==&x"


class TestSecret:
    def test_it_shows_its_value_only_when_asked(self) -> None:
        secret = Secret(CANARY)
        assert secret.reveal() == CANARY
        for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", "%s" % secret, repr([secret])):  # noqa: UP031
            assert CANARY not in shown

    def test_it_is_not_written_anywhere(self, caplog: pytest.LogCaptureFixture) -> None:
        secret = Secret(CANARY)
        with pytest.raises(TypeError):
            pickle.dumps(secret)
        with pytest.raises(TypeError):
            copy.deepcopy(secret)
        logging.getLogger("test").warning("key %s %r", secret, {"key": secret})
        assert CANARY not in caplog.text
        assert not hasattr(secret, "__dict__")

    @pytest.mark.parametrize(
        "value", ["", " ", "sk-7 sk-8", "sk-7\nsk-8", "sk-7\r\nX-Evil: 1", "schlüssel", "sk-7\x00", "sk-7\x7f"]
    )
    def test_what_no_header_can_carry_is_refused_without_being_quoted(self, value: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Secret(value, name="`THE_KEY`")
        assert "THE_KEY" in caught.value.message
        if len(value) > 1:
            assert value not in caught.value.message


class TestRedact:
    @pytest.mark.parametrize(
        "form", [CANARY, CANARY.replace("/", "\\/"), "canary%2F7f3a%2BQ%3D%3D%26x", "canary/7f3a%2BQ%3D%3D%26x"]
    )
    def test_the_key_is_gone_in_every_form(self, form: str) -> None:
        text = redact(f"the key {form} is wrong: {form}", [Secret(CANARY)])
        assert text == f"the key {REDACTED} is wrong: {REDACTED}"

    @pytest.mark.parametrize("length", range(6, len(CANARY)))
    def test_a_key_that_was_cut_off_at_the_end_is_gone_too(self, length: int) -> None:
        assert redact(f"wrong key {CANARY[:length]}", [Secret(CANARY)]) == f"wrong key {REDACTED}"

    def test_bytes_keep_all_else(self) -> None:
        body = b"\xff\xfe\x00" + CANARY.encode() + b"\x80"
        assert redact_bytes(body, [Secret(CANARY)]) == b"\xff\xfe\x00" + REDACTED.encode() + b"\x80"

    @given(st.text(), st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8), st.text())
    def test_no_text_keeps_a_key(self, before: str, key: str, after: str) -> None:
        # A key that is part of what stands in its place can not be told from it.
        if key not in REDACTED and REDACTED not in key:
            assert key not in redact(before + key + after, [Secret(key)]).replace(REDACTED, "\n")

    def test_without_keys_nothing_changes(self) -> None:
        assert redact("plain text", []) == "plain text"
