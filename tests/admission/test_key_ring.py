"""Which key is taken, and who is cut off once it is not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from headwater.admission.key_ring import NOT_TAKEN, KeyRing
from headwater.domain.api_key import new_api_key
from headwater.domain.run import Owner
from headwater.errors import AuthError

ANN = Owner("acme", "ann")


def test_a_key_is_found_by_its_text_only() -> None:
    ring = KeyRing(lambda: 0)
    key, text = new_api_key("a", ANN, 0)
    other, other_text = new_api_key("b", ANN, 0)
    ring.replace([key])
    assert ring.find(text) == key
    wrong_secret = text[: text.rindex("_")] + other_text[other_text.rindex("_") :]
    for shown in (other_text, wrong_secret, key.id, "", text + " "):
        with pytest.raises(AuthError) as refused:
            ring.find(shown)
        assert refused.value.message == NOT_TAKEN
    ring.replace([other])
    with pytest.raises(AuthError):
        ring.find(text)


def test_a_key_that_is_over_is_refused_as_one_that_never_was() -> None:
    now_ms = 0
    ring = KeyRing(lambda: now_ms)
    key, text = new_api_key("a", ANN, 0, lives_ms=10)
    ring.replace([key])
    assert (ring.find(text), ring.active) == (key, 1)
    now_ms = 10
    with pytest.raises(AuthError, match=NOT_TAKEN):
        ring.find(text)
    now_ms = 0
    ring.replace([replace(key, revoked_at_ms=0)])
    with pytest.raises(AuthError, match=NOT_TAKEN):
        ring.find(text)
    assert ring.active == 0


def test_who_is_connected_by_a_key_that_is_over_is_cut_off_once_and_nobody_else() -> None:
    now_ms, cut = 0, list[str]()
    ring = KeyRing(lambda: now_ms)
    revoked, expiring, kept = (new_api_key(name, ANN, 0, lives_ms=lives)[0] for name, lives in NAMED)
    ring.replace([revoked, expiring, kept])
    for key in (revoked, revoked, expiring, kept):
        ring.enter(key, lambda name=key.name: cut.append(name))  # type: ignore[misc]
    assert (ring.cut_off(), ring.visits) == (0, 4)
    ring.replace([replace(revoked, revoked_at_ms=1), expiring, kept])
    assert (ring.cut_off(), cut) == (2, ["revoked", "revoked"])
    now_ms = 10
    assert (ring.cut_off(), cut[2:]) == (1, ["expiring"])
    assert (ring.cut_off(), ring.visits) == (0, 1)


NAMED = (("revoked", None), ("expiring", 10), ("kept", None))


def test_a_cut_may_leave_by_itself_and_who_has_left_is_not_cut() -> None:
    ring, cut = KeyRing(lambda: 0), list[str]()
    key, _ = new_api_key("a", ANN, 0)
    ring.replace([key])
    gone = ring.enter(key, lambda: cut.append("gone"))
    there = ring.enter(key, lambda: cut.append("there"))
    ring.leave(gone)
    there.cut = lambda: ring.leave(there)
    ring.replace([])
    assert (ring.cut_off(), ring.visits, cut) == (1, 0, [])
    ring.leave(there)


def test_a_cut_that_fails_keeps_nobody_else_connected() -> None:
    ring, cut = KeyRing(lambda: 0), list[int]()
    key, _ = new_api_key("a", ANN, 0)
    ring.replace([key])

    def visit(number: int) -> None:
        def end() -> None:
            cut.append(number)
            if number % 2:
                raise OSError(number)

        ring.enter(key, end)

    for number in range(6):
        visit(number)
    ring.replace([])
    with pytest.raises(ExceptionGroup) as raised:
        ring.cut_off()
    assert sorted(cut) == [*range(6)]
    assert sorted(error.args[0] for error in raised.value.exceptions) == [1, 3, 5]
    assert (ring.cut_off(), ring.visits) == (0, 0)
