"""What the tests of every dialect do with its recordings."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import strategies as st

from headwater.errors import ErrorCode
from headwater.providers.contract import Dialect
from headwater.testing.dialect import Decoded, decode_pieces, pieces_of
from tests.recordings import Recording, recordings_dir

#: Why a test of a recording is skipped.
ABSENT: Final = "no recordings on this machine; continuous integration must have them"
#: Streams of more bytes are cut by `check_dialect` only.
_SHORT_BYTES: Final = 8_000
#: The laws of a stream of more bytes take seconds.
_LONG_BYTES: Final = 30_000


class Deviation(NamedTuple):
    """Where we and the golden differ: the fields of its summary, what they are here, and why ours is right."""

    fields: dict[str, Any]
    reason: str


def names_of(recordings: Mapping[str, Recording]) -> list[str]:
    """What a test of each one is parametrized with; one name where there are none, so that it is skipped aloud."""
    return sorted(recordings) or ["absent"]


def names_by_length(recordings: Mapping[str, Recording]) -> list[Any]:
    """The same, and the long ones are marked slow."""
    marks = {name: [pytest.mark.slow] if each.entry["bytes"] > _LONG_BYTES else [] for name, each in recordings.items()}
    return [pytest.param(name, marks=marks.get(name, [])) for name in names_of(recordings)]


def found(recordings: Mapping[str, Recording], name: str) -> Recording:
    """The one of a name. Skips the test where it is not on this machine."""
    if name not in recordings:
        pytest.skip(ABSENT)
    return recordings[name]


def check_tables(recordings: Mapping[str, Recording], *tables: Iterable[str], at_least: int) -> None:
    """Raises AssertionError where a table names a recording that is not there, or there are fewer than there were."""
    if recordings_dir() is None:
        pytest.skip(ABSENT)
    assert not {name for table in tables for name in table} - recordings.keys()
    assert len(recordings) >= at_least


def deviated(golden: dict[str, Any], deviation: Deviation | None) -> dict[str, Any]:
    """The golden's summary as ours has to be. Raises AssertionError for a deviation that is none."""
    if deviation is None:
        return golden
    assert all(golden[name] != value for name, value in deviation.fields.items()), "no deviation any more"
    return golden | deviation.fields


def check_failure(decoded: Decoded, code: ErrorCode, provider: str) -> None:
    """Raises AssertionError unless the stream failed so."""
    assert decoded.error is not None
    assert (decoded.error.code, decoded.error.provider) == (code, provider)


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
