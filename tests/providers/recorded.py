"""What the tests of every dialect do with its recordings."""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import strategies as st

from headwater.providers.contract import Dialect
from headwater.testing.dialect import decode_pieces, pieces_of
from tests.recordings import Recording

#: Why a test of a recording is skipped.
ABSENT: Final = "no recordings on this machine; continuous integration must have them"
#: Streams of more bytes are cut by `check_dialect` only.
_SHORT_BYTES: Final = 8_000


class Deviation(NamedTuple):
    """Where we and the golden differ: the fields of its summary, what they are here, and why ours is right."""

    fields: dict[str, Any]
    reason: str


def draw_short(data: st.DataObject, recordings: Collection[Recording]) -> Recording:
    """One of the short ones. Skips the test where there are none."""
    if not recordings:
        pytest.skip(ABSENT)
    return data.draw(st.sampled_from([each for each in recordings if each.entry["bytes"] < _SHORT_BYTES]))


def check_cuts(data: st.DataObject, dialect: Dialect, body: bytes) -> None:
    """Cuts the body anywhere. Raises AssertionError where that makes a difference."""
    places = data.draw(st.lists(st.integers(0, len(body)), max_size=12).map(sorted))
    whole = decode_pieces(dialect, [body], clean=True)
    cut = decode_pieces(dialect, pieces_of(body, places), clean=True)
    assert cut.items == whole.items
    assert (cut.error is None) is (whole.error is None)
