"""What the detect stage found: ``detection.json``, written by the worker, read by PlanSegments and the later stages.

Frame numbers count decoded frames from 0; an end is exclusive. Boxes are pixels of the coded picture (before rotation).
Seconds count from the first frame.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import Literal, Self

from pydantic import Field, model_validator

from domain.job import IconKind
from domain.strict import Strict


class Box(Strict):
    """A rectangle of coded pixels; ``x1`` and ``y1`` are exclusive."""

    x0: int = Field(ge=0)
    y0: int = Field(ge=0)
    x1: int = Field(gt=0)
    y1: int = Field(gt=0)

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.y1 - self.y0


class Shot(Strict):
    """Frames between two hard cuts."""

    start_frame: int = Field(ge=0)
    end_frame: int = Field(gt=0)
    start_pts: int


class Renewal(Strict):
    """A frame within a long shot from which on the fill remembers nothing of what was before: a piece may begin here.

    Whoever begins here reads the video from ``lead_frames`` before it, which has the pts ``lead_pts``.
    """

    frame: int = Field(gt=0)
    pts: int
    lead_frames: int = Field(ge=0)
    lead_pts: int


class Plate(Strict):
    """A translucent rectangle that a caption stands on.

    From ``start_frame`` to ``end_frame`` (exclusive) each pixel of ``box`` outside the caption's mask is
    ``(1 - opacity) * clean + opacity * colour``, where the colour is ``y``, ``u``, ``v`` in 8-bit levels: what was
    behind can be worked out from what is seen. In the rest of the caption's life the plate fades in or out: there all
    of ``box`` is to be filled.
    """

    box: Box
    start_frame: int = Field(ge=0)
    end_frame: int = Field(gt=0)
    opacity: float = Field(gt=0, lt=1)
    y: float = Field(ge=0, le=255)
    u: float = Field(ge=0, le=255)
    v: float = Field(ge=0, le=255)


class CaptionEvent(Strict):
    """One caption on screen.

    ``mask_png`` is a base64 PNG of 8-bit grey, the size of ``box``: 0 outside the mask, 255 inside (glyph, outline,
    shadow, codec halo). With a ``plate``, whose box lies inside ``box``, the mask holds what must be filled (the
    plate's edge too, with its codec halo) and the rest of the plate can be worked out; without one, the mask holds all
    that the caption changed. ``text`` is empty where nothing could be read.
    """

    index: int = Field(ge=0)
    start_frame: int = Field(ge=0)
    end_frame: int = Field(gt=0)
    start_seconds: float
    end_seconds: float
    box: Box
    mask_png: str
    plate: Plate | None = None
    text: str = ""
    confidence: float = Field(default=0.0, ge=0, le=1)


class IconBehaviour(StrEnum):
    """What an icon does while it is on screen."""

    STILL = "still"
    BLINKING = "blinking"
    JUMPING = "jumping"
    MOVING = "moving"
    ANIMATED = "animated"


class Matte(Strict):
    """How opaque a translucent mark is, and of what colour, pixel by pixel.

    What is seen is ``(1 - opacity) * clean + opacity * colour``. Both pictures are base64 PNGs of the mark's size:
    ``opacity_png`` 8-bit grey, 255 for fully opaque; ``colour_png`` three 8-bit channels in the order Y, U, V, chroma
    at luma's size. Where the opacity is 0, the colour means nothing.
    """

    opacity_png: str
    colour_png: str


class Mark(Strict):
    """One appearance of an icon, ``width`` x ``height`` pixels.

    ``mask_png`` is a base64 PNG of 8-bit grey of that size, 0 outside: it holds every pixel that the mark changes, edge
    and codec halo included; of an animated mark, all that it changes at any moment of its loop. ``matte`` is there
    where what lies behind shines through.
    """

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    mask_png: str
    matte: Matte | None = None


class IconPlace(Strict):
    """Where a mark stands, and when: ``x`` and ``y`` are its upper left pixel, ``mark`` its number in the track."""

    start_frame: int = Field(ge=0)
    end_frame: int = Field(gt=0)
    x: int = Field(ge=0)
    y: int = Field(ge=0)
    mark: int = Field(ge=0)


class IconTrack(Strict):
    """One icon, wherever it goes: a jumping mark has several places, a drifting one a place for every position.

    ``name`` is the library's, None where it has none like it. ``confidence`` is that it is an icon at all,
    ``kind_confidence`` that it is of this kind.
    """

    index: int = Field(ge=0)
    kind: IconKind
    name: str | None = None
    confidence: float = Field(ge=0, le=1)
    kind_confidence: float = Field(ge=0, le=1)
    behaviour: IconBehaviour
    marks: tuple[Mark, ...] = Field(min_length=1)
    places: tuple[IconPlace, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _places_have_marks(self) -> Self:
        if any(place.mark >= len(self.marks) for place in self.places):
            raise ValueError(f"a place of icon {self.index} names a mark that the track does not have")
        return self


class Detection(Strict):
    """Everything that detect found in one video.

    ``time_base`` is the source stream's, as ``numerator/denominator`` seconds. ``seekable`` is true when every frame
    has a pts and they increase strictly, so that a piece can be found again by its start pts. ``renewals`` hold for
    whoever erases, in one piece or in many.
    """

    version: Literal[1] = 1
    frame_count: int = Field(gt=0)
    time_base: str
    first_pts: int
    duration_seconds: float
    seekable: bool
    shots: tuple[Shot, ...] = Field(min_length=1)
    renewals: tuple[Renewal, ...] = ()
    captions: tuple[CaptionEvent, ...] = ()
    icons: tuple[IconTrack, ...] = ()

    @property
    def nothing_found(self) -> bool:
        """Tell whether there is nothing to erase."""
        return not (self.captions or self.icons)

    def about_seconds(self, frame: float) -> float:
        """Return when a frame is shown, as if all lasted equally long: near enough to look at it."""
        return self.duration_seconds * frame / self.frame_count

    @property
    def seconds_per_tick(self) -> Fraction:
        """Return the time base as a Fraction."""
        return Fraction(self.time_base)
