"""Pictures of grids, looked at pixel by pixel."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from headwater.workflows.arc.render import COLOUR_NAMES, LINE, PALETTE, SIDE_PX_MAX, image, images, pitch_px, png
from headwater.workflows.arc.task import COLOURS, SIDE_MAX, Grid

SMALL: Grid = [[0, 1, 2], [3, 4, 9]]
#: Its picture, of which every eighth pixel is taken each way: a colour's number, `#` for a line.
SMALL_SEEN = """\
################
#0000#1111#2222#
#0000#1111#2222#
#0000#1111#2222#
#0000#1111#2222#
################
#3333#4444#9999#
#3333#4444#9999#
#3333#4444#9999#
#3333#4444#9999#
################"""


def seen(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        assert picture.mode == "P"
        return picture.convert("RGB")


def colour_at(picture: Image.Image, x: int, y: int) -> int:
    """The colour's number, 10 for a line. Raises ValueError for any other."""
    return PALETTE.index(picture.getpixel((x, y)))


def test_a_small_grid_pixel_by_pixel() -> None:
    picture = seen(png(SMALL))
    assert picture.size == (121, 81)
    lines = ["".join("0123456789#"[colour_at(picture, x, y)] for x in range(0, 121, 8)) for y in range(0, 81, 8)]
    assert "\n".join(lines) == SMALL_SEEN


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (19, 19), (20, 7), (SIDE_MAX, SIDE_MAX)])
def test_every_cell_has_its_colour_and_every_line_is_one_pixel(size: tuple[int, int]) -> None:
    rows, columns = size
    grid = [[(row * 3 + column) % COLOURS for column in range(columns)] for row in range(rows)]
    picture, pitch = seen(png(grid)), pitch_px(grid)
    assert picture.size == (columns * pitch + 1, rows * pitch + 1)
    assert max(picture.size) <= SIDE_PX_MAX
    assert pitch >= 25
    for row, cells in enumerate(grid):
        for column, cell in enumerate(cells):
            left, top = column * pitch, row * pitch
            assert {colour_at(picture, left + 1, top + 1), colour_at(picture, left + pitch - 1, top + pitch - 1)} == {
                cell
            }
            assert {colour_at(picture, x, top) for x in (left, left + pitch)} == {LINE}
            assert {colour_at(picture, left, y) for y in (top, top + pitch)} == {LINE}


def test_colours_differ_and_have_names() -> None:
    assert len(set(PALETTE)) == COLOURS + 1
    assert len(set(COLOUR_NAMES)) == COLOURS


def test_the_largest_is_small_enough_to_be_sent() -> None:
    # no two neighbours alike: the worst case for what PNG packs
    noisy = [[(row * 7 + column * 3 + row * column) % COLOURS for column in range(SIDE_MAX)] for row in range(SIDE_MAX)]
    assert len(png(noisy)) < 32 * 1024


async def test_parts_of_a_message() -> None:
    parts = await images([SMALL, [[5]]])
    assert parts == [image(SMALL), image([[5]])]
    assert parts[0].media_type == "image/png"
    assert parts[0].url is None
    assert parts[0].data is not None
    assert base64.b64decode(parts[0].data, validate=True) == png(SMALL)
