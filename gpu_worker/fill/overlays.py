"""What is to go from the picture, whatever it is: captions and the places of icons become overlays here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.detection import Box, CaptionEvent, IconTrack, Plate
from gpu_worker.video.masks import Mask, decode_mark_mask, decode_mask, decode_matte
from gpu_worker.video.rect import Rect


class SubjectKind(StrEnum):
    """What was found."""

    CAPTION = "caption"
    ICON = "icon"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """The caption or the icon that an overlay shows, by its index in the detection."""

    kind: SubjectKind
    index: int


@dataclass(frozen=True, slots=True, eq=False)
class Veil:
    """Something translucent over ``box``, from ``start_frame`` to ``end_frame`` (exclusive).

    ``opacity`` (h, w) is 0-1, and 1 where nothing can be told of what is behind; ``colour`` (3, h, w) is Y, U, V in
    8-bit levels. What is seen is ``(1 - opacity) * clean + opacity * colour``.
    """

    box: Box
    start_frame: int
    end_frame: int
    opacity: NDArray[np.float32]
    colour: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """Something burnt into the picture at ``box``, from ``start_frame`` to ``end_frame`` (exclusive).

    ``mask`` (h, w) is what must be filled. What a veil covers beside it is looked through, and filled only where that
    does not do; under the mask, what shines through is one candidate beside what other frames show. ``number`` is the
    overlay's own among those of one video; ``lines`` are how many lines of text it has, 1 where it is no text.
    """

    number: int
    subject: Subject
    start_frame: int
    end_frame: int
    box: Box
    mask: Mask
    veil: Veil | None = None
    lines: int = 1

    def is_on(self, frame_index: int) -> bool:
        """Tell whether it is on screen."""
        return self.start_frame <= frame_index < self.end_frame


def overlays_of(captions: Iterable[CaptionEvent], icons: Iterable[IconTrack] = ()) -> tuple[Overlay, ...]:
    """Return all that is to go, numbered.

    Raises:
        ValueError: when a mask or a matte cannot be decoded.
    """
    found = [_of_caption(caption) for caption in captions]
    for icon in icons:
        found += _of_icon(icon)
    return tuple(replace(overlay, number=number) for number, overlay in enumerate(found))


def _of_caption(event: CaptionEvent) -> Overlay:
    mask = decode_mask(event)
    return Overlay(
        number=event.index,
        subject=Subject(SubjectKind.CAPTION, event.index),
        start_frame=event.start_frame,
        end_frame=event.end_frame,
        box=event.box,
        mask=mask,
        veil=None if event.plate is None else _of_plate(event.plate, event.box, mask),
        lines=event.text.count("\n") + 1,
    )


def _of_plate(plate: Plate, box: Box, mask: Mask) -> Veil:
    inside = Rect.of_box(plate.box)
    covered = mask[inside.shifted(-box.x0, -box.y0).slices]
    # The letters let nothing through, and of the plate's edge it is not known how much.
    opacity = np.where(covered, np.float32(1), np.float32(plate.opacity))
    colour = np.array((plate.y, plate.u, plate.v), np.float32)[:, None, None]
    return Veil(
        box=plate.box,
        start_frame=plate.start_frame,
        end_frame=plate.end_frame,
        opacity=opacity,
        colour=np.broadcast_to(colour, (3, *opacity.shape)),
    )


def _of_icon(icon: IconTrack) -> list[Overlay]:
    # Places of one mark share its arrays: a drifting mark has hundreds of them.
    masks = [decode_mark_mask(mark) for mark in icon.marks]
    mattes = [decode_matte(mark) for mark in icon.marks]
    overlays = []
    for place in icon.places:
        mark, mask, matte = icon.marks[place.mark], masks[place.mark], mattes[place.mark]
        box = Box(x0=place.x, y0=place.y, x1=place.x + mark.width, y1=place.y + mark.height)
        veil = None
        if matte is not None:
            opacity, colour = matte
            veil = Veil(box, place.start_frame, place.end_frame, opacity, np.moveaxis(colour, -1, 0))
        subject = Subject(SubjectKind.ICON, icon.index)
        overlays.append(Overlay(0, subject, place.start_frame, place.end_frame, box, mask, veil))
    return overlays
