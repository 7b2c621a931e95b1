"""Pairs come together however they were cut, and what stays alone is known."""

from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.surrogates import replace_surrogates
from headwater.providers.surrogate_pairs import SurrogatePairs


def test_halves_wait_for_each_other() -> None:
    pairs: SurrogatePairs[str] = SurrogatePairs()
    assert pairs.join("a", "x\ud83d") == "x"
    assert pairs.join("b", "y") == "y"
    assert pairs.join("a", "\ude00z") == "😀z"
    assert list(pairs.alone()) == []


def test_what_stays_alone() -> None:
    pairs: SurrogatePairs[int] = SurrogatePairs()
    assert pairs.join(1, "\ud83d") == ""
    assert pairs.join(2, "\ud83d") == ""
    assert pairs.join(2, "b") == "\ufffdb"
    assert list(pairs.alone()) == [1]
    assert (pairs.is_alone(1), pairs.is_alone(1), pairs.is_alone(2)) == (True, False, False)


@given(st.lists(st.text(st.sampled_from("a😀é\ud83d\ude00"), max_size=4), max_size=6))
def test_any_cut(pieces: list[str]) -> None:
    pairs: SurrogatePairs[int] = SurrogatePairs()
    joined = "".join(pairs.join(0, piece) for piece in pieces)
    joined += "\ufffd" * pairs.is_alone(0)
    assert joined == replace_surrogates("".join(pieces))
