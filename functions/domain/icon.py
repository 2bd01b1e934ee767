"""Icon library: marks that a tenant wants found and removed, as pictures with transparency."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from domain.errors import InvalidIconError, UnsupportedIconFormatError
from domain.job import MAX_NAME_LENGTH, IconKind, UploadId
from domain.png import is_png, read_png
from domain.strict import Strict
from domain.svg import is_svg, read_svg

#: A tenant's icons are read as a whole to be sorted: a few pages of the table.
MAX_ICONS = 500
MAX_ICON_BYTES = 1 << 20
MAX_ICON_SIDE = 1024
MIN_ICON_SIDE = 8


class IconMediaType(StrEnum):
    """What an icon's picture is."""

    PNG = "image/png"
    SVG = "image/svg+xml"


class IconDraft(Strict):
    """A new icon: its picture is a file that was uploaded with a form of ``POST /v1/uploads``."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
    kind: IconKind
    upload_id: UploadId


class Icon(Strict):
    """An icon; sizes in pixels, of an SVG those that it names itself."""

    icon_id: str
    name: str
    kind: IconKind
    media_type: IconMediaType
    width: int
    height: int
    created_at: AwareDatetime


class KeptIcon(Icon):
    """An icon as it is kept: jobs go on with the version of the picture that they began with, should it be deleted."""

    picture_version: str | None


class IconView(Icon):
    """An icon as it is shown, with a link to its picture."""

    url: str
    url_expires_at: AwareDatetime


class IconPage(Strict):
    """Some icons, newest first. ``next_cursor`` is there when more follow."""

    icons: tuple[IconView, ...]
    next_cursor: str | None = None


def check_size(size_bytes: int) -> None:
    """Refuse a file over 1 MiB.

    Raises:
        InvalidIconError: when it is larger.
    """
    if size_bytes > MAX_ICON_BYTES:
        raise InvalidIconError(
            f"the image has {size_bytes} bytes; at most {MAX_ICON_BYTES} (1 MB) are taken", allowed="<= 1 MB"
        )


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a picture is, and its size in pixels."""

    media_type: IconMediaType
    width: int
    height: int


def read_picture(data: bytes) -> PictureFacts:
    """Check an icon's picture, and return what it is.

    Raises:
        UnsupportedIconFormatError: it is neither a PNG nor an SVG.
        UnsafeIconError: it is an SVG that does more than to draw.
        InvalidIconError: it is damaged, too small, too large, or a PNG without transparency.
    """
    check_size(len(data))
    if is_png(data):
        return _png_facts(data)
    if is_svg(data):
        return PictureFacts(IconMediaType.SVG, *read_svg(data))
    raise UnsupportedIconFormatError("icons are PNG files with transparency, or SVG files", allowed="PNG, SVG")


def _png_facts(data: bytes) -> PictureFacts:
    facts = read_png(data, MAX_ICON_SIDE)
    if min(facts.width, facts.height) < MIN_ICON_SIDE:
        raise InvalidIconError(
            f"the image has {facts.width}x{facts.height} pixels; at least {MIN_ICON_SIDE} each way are taken",
            allowed=f">= {MIN_ICON_SIDE} px",
        )
    if not facts.has_alpha:
        raise InvalidIconError(
            "the image has no alpha channel: what belongs to the icon cannot be told", allowed="PNG with alpha"
        )
    return PictureFacts(IconMediaType.PNG, facts.width, facts.height)
