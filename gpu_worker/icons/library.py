"""The icon library: pictures of marks, by name and kind, that the finder compares with what it sees.

A tenant's come with the work order, on a laptop from a folder; those of the well-known video platforms are built in.
They are drawn by the Simple Icons project and released under CC0; as marks they remain their owners' trademarks.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
import resvg_py
import simple_icons_pack
from numpy.typing import NDArray
from PIL import Image

from domain.errors import InvalidIconError, SmartEraseError
from domain.icon import IconMediaType, read_picture
from domain.job import IconKind

#: Longest side in which a vector is drawn, and to which a larger picture is brought down: no mark is seen larger.
_LONGEST_SIDE = 320
#: Opacity from which a pixel of a library picture counts, 0-255.
_VISIBLE = 16
#: Platforms whose marks stand on videos, by their slugs in Simple Icons.
_PLATFORMS = (
    "bilibili",
    "dailymotion",
    "facebook",
    "instagram",
    "kick",
    "kuaishou",
    "niconico",
    "odysee",
    "rumble",
    "sinaweibo",
    "snapchat",
    "tiktok",
    "triller",
    "twitch",
    "vimeo",
    "xiaohongshu",
    "youtube",
    "youtubeshorts",
)


@dataclass(frozen=True, slots=True, eq=False)
class LibraryEntry:
    """One mark: ``picture`` (h, w, 4) is RGBA, 8-bit, alpha not multiplied in, cut to what is visible.

    Of a silhouette only the shape is known: it is seen white, or in any colour.
    """

    name: str
    kind: IconKind
    picture: NDArray[np.uint8]
    is_silhouette: bool = False


def library_entry(name: str, kind: IconKind, data: bytes, *, is_silhouette: bool = False) -> LibraryEntry:
    """Return the entry that a PNG or an SVG makes.

    Raises:
        UnsupportedIconFormatError: the data are neither.
        UnsafeIconError: an SVG holds scripts, references to elsewhere, or more than shapes and paint.
        InvalidIconError: the picture is damaged, too small or too large, has no alpha channel, or shows nothing.
    """
    try:
        return _entry(name, kind, data, is_silhouette=is_silhouette)
    except SmartEraseError as error:
        raise type(error)(f"icon {name}: {error.message}", field="icon_library", allowed=error.allowed) from error


def _entry(name: str, kind: IconKind, data: bytes, *, is_silhouette: bool) -> LibraryEntry:
    facts = read_picture(data)
    if facts.media_type is IconMediaType.SVG:
        data = _drawn(data, facts.width, facts.height)
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGBA")
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    pixels = np.asarray(picture, dtype=np.uint8)
    visible = pixels[..., 3] >= _VISIBLE
    if not visible.any():
        raise InvalidIconError("the image shows nothing: all of it is transparent", allowed="some visible pixels")
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return LibraryEntry(name, kind, np.ascontiguousarray(cut), is_silhouette)


def _drawn(svg: bytes, width: int, height: int) -> bytes:
    """Return a checked SVG as a PNG, its longer side ``_LONGEST_SIDE``; without fonts, so that nothing is looked up."""
    is_wide = width >= height
    try:
        return resvg_py.svg_to_bytes(
            svg_string=svg.decode("utf-8"),
            skip_system_fonts=True,
            width=_LONGEST_SIDE if is_wide else None,
            height=None if is_wide else _LONGEST_SIDE,
        )
    except ValueError as error:
        raise InvalidIconError(f"the SVG cannot be drawn: {error}", allowed="SVG") from error


@cache
def platform_marks() -> tuple[LibraryEntry, ...]:
    """Return the marks of the well-known video platforms, as silhouettes."""
    entries = []
    for slug in _PLATFORMS:
        icon = simple_icons_pack.get_icon(slug)
        # A platform that asks for its mark to be taken down is not in the next release.
        if icon is not None:
            entries.append(library_entry(icon.title, IconKind.INTERNET, icon.svg.encode(), is_silhouette=True))
    return tuple(entries)
