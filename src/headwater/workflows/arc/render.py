"""Grids as pictures, for models that look at them: a square for each cell in the corpus' own colours, a line around it.

The colours are those of the testing interface of github.com/fchollet/ARC-AGI (`apps/css/common.css`).
"""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterable
from typing import Final

from headwater.domain.message import ImagePart
from headwater.workflows.arc.task import Grid

#: Red, green and blue of each colour, 0 to 9, and of the lines between cells.
PALETTE: Final = (
    (0x00, 0x00, 0x00),
    (0x00, 0x74, 0xD9),
    (0xFF, 0x41, 0x36),
    (0x2E, 0xCC, 0x40),
    (0xFF, 0xDC, 0x00),
    (0xAA, 0xAA, 0xAA),
    (0xF0, 0x12, 0xBE),
    (0xFF, 0x85, 0x1B),
    (0x7F, 0xDB, 0xFF),
    (0x87, 0x0C, 0x25),
    (0x55, 0x55, 0x55),
)
#: What the colours are called where a model is asked for numbers.
COLOUR_NAMES: Final = ("black", "blue", "red", "green", "yellow", "grey", "magenta", "orange", "light blue", "maroon")
LINE: Final = 10

#: From one line to the next. Small grids are not blown up, and the largest still fits what providers look at as a whole
#: (768 pixels: OpenAI and Gemini cut larger pictures, or shrink them).
PITCH_PX_MAX: Final = 40
SIDE_PX_MAX: Final = 768


def pitch_px(grid: Grid) -> int:
    """The side of a cell with one of its lines, in pixels: at least 25, for the largest grid."""
    return min(PITCH_PX_MAX, (SIDE_PX_MAX - 1) // max(len(grid), len(grid[0])))


def png(grid: Grid) -> bytes:
    """The grid as a PNG with a palette; the same grid gives the same pixels.

    Some milliseconds' work for a large one, and the first loads the library: not for the loop.
    """
    from PIL import Image  # a third of a second that the server's start has no use for

    pitch = pitch_px(grid)
    lines = bytearray()
    width = len(grid[0]) * pitch + 1
    border = bytes([LINE]) * width
    for row in grid:
        cells = b"".join(bytes([cell]) * (pitch - 1) + bytes([LINE]) for cell in row)
        lines += border + (bytes([LINE]) + cells) * (pitch - 1)
    lines += border
    picture = Image.frombytes("P", (width, len(grid) * pitch + 1), bytes(lines))
    picture.putpalette([part for colour in PALETTE for part in colour])
    out = io.BytesIO()
    picture.save(out, "PNG", bits=4)
    return out.getvalue()


def image(grid: Grid) -> ImagePart:
    """The picture as a part of a message."""
    return ImagePart(data=base64.b64encode(png(grid)).decode("ascii"), media_type="image/png")


async def images(grids: Iterable[Grid]) -> list[ImagePart]:
    """The same for several, off the loop."""
    wanted = list(grids)
    return await asyncio.to_thread(lambda: [image(grid) for grid in wanted])
