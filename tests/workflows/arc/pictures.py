"""Grids read back from pictures, without a word of what draws them but its palette."""

from __future__ import annotations

import base64
import io
from itertools import pairwise
from typing import Any

from PIL import Image

from headwater.workflows.arc.render import LINE, PALETTE
from headwater.workflows.arc.task import Grid

_URL = "data:image/png;base64,"


def read_png(data: bytes) -> Grid:
    """The grid that a picture shows: between every two lines there are cells of one colour each."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size

    def colour(x: int, y: int) -> int:
        return PALETTE.index(picture.getpixel((x, y)))

    across = [x for x in range(width) if colour(x, 1) == LINE]
    down = [y for y in range(height) if colour(1, y) == LINE]
    return [[colour((x + right) // 2, (y + low) // 2) for x, right in pairwise(across)] for y, low in pairwise(down)]


def read_url(url: str) -> Grid:
    assert url.startswith(_URL), url[:40]
    return read_png(base64.b64decode(url.removeprefix(_URL), validate=True))


def shown_to(request: Any) -> list[Grid]:
    """The grids in a request of Chat Completions, in their order."""
    contents = [message["content"] for message in request["messages"] if isinstance(message["content"], list)]
    return [read_url(part["image_url"]["url"]) for parts in contents for part in parts if part["type"] == "image_url"]
