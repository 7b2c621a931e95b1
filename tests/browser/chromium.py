"""The browser of these tests: Debian's Chromium, or a Chrome that is installed where its maker puts it.

Before both its headless shell, which is what Playwright prefers too: the same engine without the windows around it, at
two thirds of the processor time.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import headwater

NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_PLACES: Final = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
#: It asks nobody for anything but what a page asks for. Without its sandbox, because containers run it as root; it is
#: shown no page but ours.
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--metrics-recording-only",
)


def executable() -> str | None:
    """The browser's program, `HEADWATER_CHROMIUM` before what is found."""
    named = os.environ.get("HEADWATER_CHROMIUM")
    found = [shutil.which(name) for name in NAMES] + [place for place in MAC_PLACES if Path(place).exists()]
    return named or next(filter(None, found), None)


def missing() -> str | None:
    """Why there can be no test with a browser here, and what to do about it; None if there can."""
    if executable() is None:
        return "no Chromium: `apt install chromium`, or set HEADWATER_CHROMIUM to the program of a Chromium or Chrome"
    if not (Path(headwater.__file__).parent / "pages" / "index.html").is_file():
        return "the pages were not built: `make pages`"
    return None
