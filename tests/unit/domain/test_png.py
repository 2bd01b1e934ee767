"""What is taken for a PNG: compared with an image library on whole files, on cut ones, and on bombs."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from domain.errors import InvalidIconError, UnsupportedIconFormatError
from domain.icon import MAX_ICON_BYTES, IconMediaType, PictureFacts, read_picture
from domain.png import PngFacts, read_png


def png(width=32, height=24, mode="RGBA", **options):
    file = io.BytesIO()
    Image.radial_gradient("L").resize((width, height)).convert(mode).save(file, "PNG", **options)
    return file.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def built(width, height, data, *, colour=6, depth=8, interlace=0):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("mode", "has_alpha"), [("RGBA", True), ("LA", True), ("RGB", False), ("L", False), ("P", False), ("1", False)]
)
def test_size_and_transparency_of_every_kind(mode, has_alpha):
    assert read_png(png(33, 25, mode), 64) == PngFacts(33, 25, has_alpha)


def test_a_colour_declared_transparent_is_transparency():
    assert read_png(png(mode="P", transparency=0), 64).has_alpha


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 3), (8, 8), (33, 17)])
def test_an_interlaced_picture_is_as_large_as_its_passes(size):
    width, height = size
    passes = [(0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)]
    rows = b"".join(
        b"\0" * (1 + 4 * len(range(left, width, across))) * len(range(top, height, down))
        for left, across, top, down in passes
        if range(left, width, across)
    )
    assert read_png(built(width, height, zlib.compress(rows), interlace=1), 64) == PngFacts(width, height, True)
    Image.open(io.BytesIO(built(width, height, zlib.compress(rows), interlace=1))).load()


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_file_is_refused_and_nothing_else_happens(data):
    whole = png(8, 8)
    at = data.draw(st.integers(8, len(whole) - 1))
    changed = data.draw(st.sampled_from([whole[:at], whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]]))
    with pytest.raises(InvalidIconError):
        read_png(changed, 64)


@pytest.mark.parametrize(
    "data",
    [
        built(20_000, 20_000, zlib.compress(b"\0")),
        built(0, 8, zlib.compress(b"\0")),
        built(8, 8, zlib.compress(b"\0" * 50_000_000)),  # a bomb
        built(8, 8, zlib.compress(b"\0" * 8 * 32)),  # without its filter bytes
        built(8, 8, b"no zlib stream"),
        built(8, 8, zlib.compress(b"\0" * 8 * 33), colour=5),
        built(8, 8, zlib.compress(b"\0" * 8 * 33), depth=4),
        built(8, 8, zlib.compress(b"\0" * 8 * 33), interlace=2),
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""),
    ],
)
def test_what_breaks_the_format_is_refused(data):
    with pytest.raises(InvalidIconError):
        read_png(data, 1024)


def test_an_icon_is_a_small_png_with_transparency():
    assert read_picture(png(8, 1024)) == PictureFacts(IconMediaType.PNG, 8, 1024)
    for data, words in [
        (png(7, 8), "at least 8"),
        (png(8, 1025), "at most 1024"),
        (png(mode="RGB"), "alpha"),
        (png() + b"\0" * MAX_ICON_BYTES, "bytes"),
    ]:
        with pytest.raises(InvalidIconError, match=words):
            read_picture(data)
    for data in (b"<html/>", b"GIF89a", b""):
        with pytest.raises(UnsupportedIconFormatError):
            read_picture(data)
