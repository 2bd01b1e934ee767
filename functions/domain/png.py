"""Reads a PNG as far as it takes to trust it: its size, whether it has transparency, and that it is whole.

Written after the PNG specification, third edition (https://www.w3.org/TR/png-3/); the functions carry no image library.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from domain.errors import InvalidIconError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
#: Samples per pixel by colour type, and the bit depths that it may have.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_BIT_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_WITH_ALPHA = frozenset({4, 6})
# Start and step of columns and rows in each pass of Adam7.
_ADAM7 = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2))


@dataclass(frozen=True, slots=True)
class PngFacts:
    """Size in pixels, and whether some pixels may be transparent."""

    width: int
    height: int
    has_alpha: bool


def is_png(data: bytes) -> bool:
    """Tell whether data begin as a PNG does."""
    return data.startswith(_SIGNATURE)


def read_png(data: bytes, max_side: int) -> PngFacts:
    """Check a PNG of at most ``max_side`` pixels each way; the picture is inflated once, and not kept.

    Raises:
        InvalidIconError: it is larger, is cut off, or breaks the format.
    """
    chunks = _chunks(data)
    name, header = next(chunks, (b"", b""))
    if name != b"IHDR" or len(header) != _HEADER.size:
        raise _damaged()
    width, height, depth, colour, compression, filtering, interlace = _HEADER.unpack(header)
    if not (0 < width <= max_side and 0 < height <= max_side):
        raise InvalidIconError(
            f"the image has {width}x{height} pixels; at most {max_side} each way are taken", allowed=f"<= {max_side} px"
        )
    if depth not in _BIT_DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise _damaged()
    has_alpha, is_whole = colour in _WITH_ALPHA, False
    inflating = zlib.decompressobj()
    left = expected = _inflated_bytes(width, height, depth * _CHANNELS[colour], is_interlaced=interlace == 1)
    for name, content in chunks:
        has_alpha = has_alpha or name == b"tRNS"
        is_whole = name == b"IEND"
        if name == b"IDAT":
            left -= _inflate(inflating, content, left)
    if not is_whole or left or not expected or not inflating.eof:
        raise _damaged()
    return PngFacts(width, height, has_alpha)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each chunk, up to the end chunk."""
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        name, end = data[position + 4 : position + 8], position + 8 + length
        if end + 4 > len(data):
            break
        (checksum,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(data[position + 4 : end]) != checksum:
            raise _damaged()
        yield name, data[position + 8 : end]
        if name == b"IEND":
            return
        position = end + 4
    raise _damaged()


def _inflate(inflating: zlib._Decompress, content: bytes, most: int) -> int:
    try:
        # One byte more than there may be: a bomb must not be inflated to its end.
        count = len(inflating.decompress(content, most + 1))
    except zlib.error as error:
        raise _damaged() from error
    if count > most:
        raise _damaged()
    return count


def _inflated_bytes(width: int, height: int, bits_per_pixel: int, *, is_interlaced: bool) -> int:
    passes = _ADAM7 if is_interlaced else ((0, 1, 0, 1),)
    total = 0
    for left, across, top, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits_per_pixel // 8))
    return total


def _damaged() -> InvalidIconError:
    return InvalidIconError("the image is no whole PNG", allowed="PNG")
