"""Where the recorded provider streams are, and what is in them.

The recordings are data of other projects and live beside this one; `manifest.json` among them lists every file. A
checkout without them still has its own fixtures to test with, but continuous integration must have both.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROJECT_ROOT: Final = Path(__file__).resolve().parent.parent
DEFAULT_DIR: Final = PROJECT_ROOT.parent / "shared" / "streams"
VARIABLE: Final = "HEADWATER_RECORDINGS"


class RecordingsMissing(RuntimeError):
    """The recordings are not where they must be."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded response body: `path` holds the bytes, `entry` is its row of the manifest."""

    path: Path
    entry: dict[str, Any]

    @property
    def name(self) -> str:
        """The path below the recordings' directory, which is also how tests name a deviation."""
        return str(self.entry["file"])

    @property
    def provider(self) -> str:
        return str(self.entry["provider"])

    @property
    def api(self) -> str:
        """The wire format: `chat`, `responses`, `messages`, `generate-content`, …"""
        return str(self.entry["api"])

    def read(self) -> bytes:
        return self.path.read_bytes()

    def golden(self) -> dict[str, Any]:
        """What the provider's own SDK made of the same bytes; see the recordings' README."""
        name = self.path.name.removesuffix(self.path.suffix) + ".golden.json"
        golden: dict[str, Any] = json.loads(self.path.with_name(name).read_bytes())
        return golden


def recordings_dir() -> Path | None:
    """The directory that holds `manifest.json`, or None when this machine has no recordings.

    `HEADWATER_RECORDINGS` names it, else it is looked for in `../shared/streams`. A variable that names nothing
    raises `RecordingsMissing`, and so does any absence when `CI` is true: there, no test may vanish in silence.
    """
    named = os.environ.get(VARIABLE)
    directory = Path(named) if named else DEFAULT_DIR
    if (directory / "manifest.json").is_file():
        return directory
    if named or os.environ.get("CI", "").lower() in ("1", "true"):
        raise RecordingsMissing(f"no manifest.json in {directory}; set {VARIABLE} to the directory of the recordings")
    return None


def recordings(*, api: str | None = None, suffix: str = ".sse") -> Iterator[Recording]:
    """The recordings in the manifest's order, of one api (`chat`, …) and one framing; none on a machine without."""
    directory = recordings_dir()
    if directory is None:
        return
    manifest = json.loads((directory / "manifest.json").read_bytes())
    for entry in manifest["files"]:
        name = entry["file"]
        if name.endswith(suffix) and (api is None or entry["api"] == api):
            yield Recording(directory / name, entry)


def chat_recordings() -> Iterator[Recording]:
    """The streams of every OpenAI-compatible Chat Completions server."""
    return recordings(api="chat")
