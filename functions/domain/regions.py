"""Where and when in a picture: rectangles as fractions of the displayed frame, and time ranges in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_REGIONS = 2
MAX_TIME_RANGES = 20
# A rectangle given as x + width may exceed 1 by a rounding step of its sender.
_EDGE_TOLERANCE = 1e-6
# A rim thinner than this is nothing to fill a picture from: five lines of 480.
_LEAST_RIM = 0.01

Fraction01 = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]


class TimeRange(BaseModel):
    """A half-open span of the video, in seconds from its first frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
    end_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end_seconds <= self.start_seconds:
            raise ValueError("end_seconds must be greater than start_seconds")
        return self


class Region(BaseModel):
    """A rectangle of the frame as it is displayed (after rotation): fractions 0-1, origin top left.

    With ``time_ranges`` the region counts only inside them; without, for the whole video.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: Fraction01
    y: Fraction01
    width: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)]
    height: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)]
    time_ranges: Annotated[tuple[TimeRange, ...], Field(max_length=MAX_TIME_RANGES)] = ()

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.x + self.width > 1 + _EDGE_TOLERANCE or self.y + self.height > 1 + _EDGE_TOLERANCE:
            raise ValueError("the region must lie inside the frame: x + width and y + height at most 1")
        return self

    def active_at(self, seconds: float) -> bool:
        """Tell whether the region counts ``seconds`` after the first frame."""
        return not self.time_ranges or any(r.start_seconds <= seconds < r.end_seconds for r in self.time_ranges)

    def to_pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return ``(x0, y0, x1, y1)`` in pixels of a ``width`` x ``height`` frame: end exclusive, never empty."""
        x0 = min(int(self.x * width), width - 1)
        y0 = min(int(self.y * height), height - 1)
        x1 = max(x0 + 1, min(width, round((self.x + self.width) * width)))
        y1 = max(y0 + 1, min(height, round((self.y + self.height) * height)))
        return x0, y0, x1, y1


#: Standard captions sit in the bottom quarter of the picture: the auto-detect area.
CAPTION_BAND = Region(x=0, y=0.75, width=1, height=0.25)
WHOLE_FRAME = Region(x=0, y=0, width=1, height=1)


def cover_frame(regions: Sequence[Region]) -> bool:
    """Tell whether a region, or two of them at some moment together, leave nothing of the frame but a thin rim."""
    if any(_reaches(r.x, r.x + r.width) and _reaches(r.y, r.y + r.height) for r in regions):
        return True
    return any(_cover_together(first, second) for first, second in combinations(regions, 2))


def _cover_together(first: Region, second: Region) -> bool:
    horizontal = [(r.x, r.x + r.width) for r in (first, second)]
    vertical = [(r.y, r.y + r.height) for r in (first, second)]
    return _share_a_moment(first, second) and any(
        all(_reaches(*span) for span in whole) and _join_up(*joined)
        for whole, joined in ((horizontal, vertical), (vertical, horizontal))
    )


def _share_a_moment(first: Region, second: Region) -> bool:
    if not first.time_ranges or not second.time_ranges:
        return True
    return any(
        a.start_seconds < b.end_seconds and b.start_seconds < a.end_seconds
        for a in first.time_ranges
        for b in second.time_ranges
    )


def _reaches(start: float, end: float) -> bool:
    return start <= _LEAST_RIM and end >= 1 - _LEAST_RIM


def _join_up(first: tuple[float, float], second: tuple[float, float]) -> bool:
    (start, end), (next_start, next_end) = sorted((first, second))
    return next_start - end <= _LEAST_RIM and _reaches(start, max(end, next_end))
