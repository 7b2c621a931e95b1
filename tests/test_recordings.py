"""The recordings are found where they are said to be, and their absence is loud where it must be."""

import json
from pathlib import Path

import pytest

from tests import recordings
from tests.recordings import RecordingsMissing


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without recordings: nothing named, nothing in the default place."""
    monkeypatch.delenv(recordings.VARIABLE, raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(recordings, "DEFAULT_DIR", tmp_path / "streams")
    return tmp_path


def write_recording(directory: Path) -> None:
    (directory / "acme-chat").mkdir(parents=True)
    (directory / "acme-chat" / "hello.sse").write_bytes(b"data: [DONE]\n\n")
    (directory / "acme-chat" / "hello.golden.json").write_text('{"summary": {"text": ""}}')
    files = [
        {"file": "acme-chat/hello.sse", "provider": "acme", "api": "chat"},
        {"file": "acme-other/array.json", "provider": "acme", "api": "other"},
    ]
    (directory / "manifest.json").write_text(json.dumps({"files": files}))


def test_without_recordings_there_are_none(elsewhere: Path) -> None:
    assert recordings.recordings_dir() is None
    assert list(recordings.recordings()) == []


def test_continuous_integration_must_have_them(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(RecordingsMissing, match="streams"):
        recordings.recordings_dir()


def test_a_named_directory_must_have_them(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(recordings.VARIABLE, str(elsewhere / "nothing"))
    with pytest.raises(RecordingsMissing, match="nothing"):
        recordings.recordings_dir()


def test_the_default_place_is_used(elsewhere: Path) -> None:
    write_recording(elsewhere / "streams")
    assert recordings.recordings_dir() == elsewhere / "streams"


def test_a_recording_has_its_bytes_and_its_golden(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(elsewhere / "mine")
    monkeypatch.setenv(recordings.VARIABLE, str(elsewhere / "mine"))
    (recording,) = recordings.chat_recordings()
    assert (recording.name, recording.provider, recording.api) == ("acme-chat/hello.sse", "acme", "chat")
    assert recording.read() == b"data: [DONE]\n\n"
    assert recording.golden() == {"summary": {"text": ""}}


def test_recordings_are_chosen_by_api_and_framing(elsewhere: Path) -> None:
    write_recording(elsewhere / "streams")
    assert [recording.api for recording in recordings.recordings()] == ["chat"]
    assert [recording.api for recording in recordings.recordings(suffix=".json")] == ["other"]
    assert list(recordings.recordings(api="other")) == []
