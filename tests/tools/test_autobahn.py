"""The parts of the fuzzing command that need no Python 2.7."""

from pathlib import Path

import pytest

from tools import autobahn


def test_a_python_is_looked_for_where_it_may_be(tmp_path: Path) -> None:
    assert autobahn.find_python({"PATH": str(tmp_path)}, tmp_path) is None
    places = [tmp_path / "bin", tmp_path / ".pyenv" / "versions" / "2.7.18" / "bin", tmp_path / "own"]
    for place in places:
        place.mkdir(parents=True)
        (place / "python2.7").touch(mode=0o755)
        environ = {"PATH": str(tmp_path / "bin")}
        if place.name == "own":
            environ["AUTOBAHN_PYTHON"] = str(place / "python2.7")
        assert autobahn.find_python(environ, tmp_path) == str(place / "python2.7")


def test_without_one_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(autobahn, "find_python", lambda environ, home: None)
    assert autobahn.main() == autobahn.EXIT_NO_PYTHON
    assert "needs Python 2.7" in capsys.readouterr().err


def test_what_is_a_failure() -> None:
    good = {"behavior": "OK", "behaviorClose": "OK"}
    report = {
        "1.1": good,
        "3.2": {**good, "behavior": "NON-STRICT"},
        "7.1.5": {"behavior": "FAILED", "behaviorClose": "WRONG CODE"},
        "7.1.6": {**good, "behaviorClose": "UNCLEAN"},
        "12.1": {"behavior": "UNIMPLEMENTED", "behaviorClose": "INFORMATIONAL"},
    }
    assert [line.partition(":")[0] for line in autobahn.failures(report)] == ["7.1.5", "7.1.6", "12.1"]
    with pytest.raises(ValueError, match="no case"):
        autobahn.failures({})


def test_it_is_asked_for_what_there_is() -> None:
    said = autobahn.specification(1234, autobahn.CASES)
    assert said["servers"] == [{"agent": "headwater", "url": "ws://127.0.0.1:1234"}]
    assert {case.split(".")[0] for case in autobahn.CASES}.isdisjoint({"12", "13"})
