"""The page of the recorded streams is what decoding them now comes to."""

from pathlib import Path

import pytest

from tests.recordings import recordings, recordings_dir
from tools import make_streams


@pytest.fixture(autouse=True)
def _recordings() -> None:
    if recordings_dir() is None:
        pytest.skip("no recordings on this machine; continuous integration must have them")


def test_the_page_is_what_the_tool_writes() -> None:
    assert make_streams.main(["--check"]) == 0, "run python -m tools.make_streams"


def test_each_block_is_used() -> None:
    words = make_streams.PAGE.read_text(encoding="utf-8")
    assert {name for name in make_streams.BLOCKS if f"<!-- recorded: {name} -->" in words} == make_streams.BLOCKS.keys()


def test_every_recording_is_in_it_and_every_difference_has_a_reason() -> None:
    found = list(make_streams.outcomes())
    everything = [*recordings(), *recordings(suffix=".json")]
    assert sorted(each.recording.name for each in found) == sorted(each.name for each in everything)
    assert [each.recording.name for each in found if each.error is None and not each.agrees and not each.reason] == []
    # A table that calls everything different, or nothing, would not be worth its name.
    assert sum(each.agrees for each in found) > len(found) * 3 / 4
    assert not any(each.agrees and (each.reason or each.error) for each in found)


def test_it_writes_and_checks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- recorded: failures -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    assert make_streams.main(["--check"], page) == 1
    assert "old" in page.read_text(encoding="utf-8")
    assert make_streams.main([], page) == 0
    assert make_streams.main(["--check"], page) == 0
    words = page.read_text(encoding="utf-8")
    assert words.startswith("before\n<!-- recorded: failures -->\n| stream | code |\n")
    assert "| `anthropic-messages/synth--cut-without-message-stop.sse` | `TRUNCATED` |\n" in words
    assert words.endswith("<!-- end -->\nafter\n")


def test_an_unknown_block_is_told() -> None:
    with pytest.raises(KeyError):
        make_streams.rendered("<!-- recorded: nothing -->\n<!-- end -->")
