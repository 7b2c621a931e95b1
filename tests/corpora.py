"""The corpora that others wrote, beside the recordings: JSONTestSuite, naughty strings, DOMPurify's payloads."""

import json
import os
from pathlib import Path

from tests.recordings import DEFAULT_DIR, VARIABLE, RecordingsMissing


def corpora_dir() -> Path | None:
    """The directory `corpora` beside that of the recordings; None on a machine without, but never where `CI` is true.

    Raises `RecordingsMissing`.
    """
    directory = Path(os.environ.get(VARIABLE) or DEFAULT_DIR).parent / "corpora"
    if directory.is_dir():
        return directory
    if os.environ.get("CI", "").lower() in ("1", "true"):
        raise RecordingsMissing(
            f"no directory {directory}; set {VARIABLE} to the directory of the recordings beside it"
        )
    return None


def naughty_strings() -> list[str]:
    """The Big List of Naughty Strings; empty on a machine without."""
    directory = corpora_dir()
    if directory is None:
        return []
    strings: list[str] = json.loads((directory / "naughty-strings.json").read_bytes())
    return strings


def xss_payloads() -> list[str]:
    """The payloads that DOMPurify is tested with; empty on a machine without."""
    directory = corpora_dir()
    if directory is None:
        return []
    entries: list[dict[str, str]] = json.loads((directory / "xss-payloads.json").read_bytes())
    return [entry["payload"] for entry in entries]
