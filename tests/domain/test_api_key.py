"""A key's text is shown once, is hard to guess, and is the only one that fits what is kept."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from headwater.domain.api_key import id_in, new_api_key
from headwater.domain.run import Owner

ANN = Owner("acme", "ann")


def test_a_key_is_known_by_its_text_and_nothing_of_that_is_kept() -> None:
    key, text = new_api_key("laptop", ANN, 1000)
    prefix, id, random = text.split("_")
    assert (prefix, id, len(bytes.fromhex(random))) == ("hw", key.id, 32)
    assert key.is_shown_by(text)
    assert key.hash == hashlib.sha256(text.encode()).digest()
    assert random not in repr(key)
    assert random[:16] not in repr(key)


def test_no_two_keys_are_alike() -> None:
    made = [new_api_key("same", ANN, 0) for _ in range(50)]
    assert len({key.id for key, _ in made}) == len({text for _, text in made}) == 50
    assert sum(key.is_shown_by(text) for key, _ in made for _, text in made) == 50


@pytest.mark.parametrize("change", [lambda text: text[:-1] + "g", lambda text: text + "0", str.upper, lambda text: ""])
def test_another_text_does_not_fit(change: object) -> None:
    key, text = new_api_key("laptop", ANN, 0)
    changed = change(text)  # type: ignore[operator]
    assert not key.is_shown_by(changed)
    assert id_in(changed) is None


@pytest.mark.parametrize("text", ["hw_", "hw_zz_00", "sk-ant-123", "\ud83d", "x" * 100_000, "' OR 1=1 --"])
def test_what_is_no_key_has_no_id(text: str) -> None:
    key, right = new_api_key("laptop", ANN, 0)
    assert id_in(text) is None
    assert not key.is_shown_by(text)
    assert id_in(right) == key.id
    assert id_in(right + "\n") is None


def test_a_key_is_over_when_it_expires_or_is_revoked() -> None:
    key, _ = new_api_key("laptop", ANN, 1000, lives_ms=500)
    assert [key.state(now) for now in (0, 1499, 1500)] == ["active", "active", "expired"]
    assert replace(key, revoked_at_ms=1200).state(1300) == "revoked"
    assert new_api_key("laptop", ANN, 1000)[0].state(1 << 60) == "active"
