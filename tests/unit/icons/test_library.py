"""The pictures of the icon library: what is taken, and what is refused."""

import numpy as np
import pytest

from domain.errors import InvalidIconError, UnsafeIconError, UnsupportedIconFormatError
from domain.job import IconKind
from gpu_worker.icons.library import library_entry, platform_marks
from tests.unit.icons.drawn import alpha_at, logo, png_of

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size}>{content}</svg>'
SHAPE = '<rect x="10" y="20" width="40" height="20"/>'


def svg(content, size='width="100" height="50"'):
    return SVG.format(size=size, content=content).encode()


def test_a_png_is_cut_to_what_is_visible():
    padded = np.pad(logo(), ((7, 5), (3, 11), (0, 0)))
    entry = library_entry("Ring TV", IconKind.TV, png_of(padded))
    assert entry.picture.shape[2] == 4
    assert abs(entry.picture.shape[0] - 39) <= 1
    assert abs(entry.picture.shape[1] - 63) <= 1


def test_an_svg_is_drawn_with_its_transparency():
    entry = library_entry("Box", IconKind.INTERNET, svg(SHAPE))
    height, width, _ = entry.picture.shape
    assert width == pytest.approx(2 * height, abs=2)
    assert alpha_at(entry, 20, 10).min() > 0.95


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (png_of(logo()[..., :3]), InvalidIconError),
        (png_of(np.zeros((20, 20, 4), np.uint8)), InvalidIconError),
        (png_of(np.full((8, 20_000, 4), 200, np.uint8)), InvalidIconError),
        (png_of(logo())[:200], InvalidIconError),
        (b"GIF89a not one of ours", UnsupportedIconFormatError),
        (svg("<script>alert(1)</script>"), UnsafeIconError),
        (svg('<rect width="5" height="5" onload="alert(1)"/>'), UnsafeIconError),
        (svg('<image xlink:href="/etc/hostname" width="5" height="5"/>'), UnsafeIconError),
        (svg('<use xlink:href="http://example.org/a.svg#b"/>'), UnsafeIconError),
        (svg(SHAPE, 'width="20000" height="20000"'), InvalidIconError),
    ],
    ids=[
        "no alpha",
        "nothing visible",
        "20,000 px",
        "cut off",
        "no picture",
        "script",
        "handler",
        "file",
        "elsewhere",
        "SVG of 20,000 px",
    ],
)
def test_what_is_refused_names_the_icon(data, error):
    with pytest.raises(error, match="icon Bad") as raised:
        library_entry("Bad", IconKind.TV, data)
    assert raised.value.field == "icon_library"


def test_the_marks_of_the_platforms_are_silhouettes():
    marks = platform_marks()
    names = {mark.name for mark in marks}
    assert {"YouTube", "TikTok", "Bilibili"} <= names
    assert all(mark.is_silhouette and mark.kind is IconKind.INTERNET for mark in marks)
