"""Which parts of the picture change, and when: overlays gathered into disjoint windows, their masks per frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import Box
from gpu_worker.fill.overlays import Overlay, Veil
from gpu_worker.video.masks import Mask
from gpu_worker.video.rect import Rect

#: Frame around a window from which motion and colour are taken: share of the frame's shorter side, and its least.
_CONTEXT_SHARE = 1 / 15
_MIN_CONTEXT = 24
#: Chroma samples beside the mask that a caption's colour has bled into. Analogue and DVD masters smear it over two; the
#: luma mask, made from luma, does not show it, and what is left would stand as a dotted line above the letters.
CHROMA_BLEED = 2
#: Pixels next to the mask whose colour is compared with the source's: wide enough for a mean, near enough to be alike.
RING = 3
#: Pixels beyond the ring that a spatial fill takes into account.
_BEYOND_RING = 16
#: Side in luma pixels of the cells in which the ring's colours are compared: a chroma sample each.
CELL = 2
_REMEMBERED_OCCLUSIONS = 4


def plan_windows(overlays: Iterable[Overlay], width: int, height: int, growth: int = 0) -> tuple[Box, ...]:
    """Return the boxes that patches will have: disjoint, each holding the overlays that touch it.

    ``x0`` and ``y0`` are even; the far edges are even or the frame's own. Ordered from top to bottom. ``growth`` is how
    many pixels an overlay's mask may yet grow.
    """
    boxes: list[Box] = []
    for overlay in overlays:
        grown = _even(overlay.box, width, height, growth)
        # A join may reach a box that was apart before.
        while touching := [box for box in boxes if _touch(box, grown)]:
            for box in touching:
                boxes.remove(box)
                grown = _join(box, grown)
        boxes.append(grown)
    return tuple(sorted(boxes, key=lambda box: (box.y0, box.x0)))


def context_pixels(width: int, height: int) -> int:
    """Return how many pixels around a window are looked at in a frame of this size."""
    return max(_MIN_CONTEXT, round(_CONTEXT_SHARE * min(width, height))) // 2 * 2


def _even(box: Box, width: int, height: int, growth: int) -> Box:
    bleed = 2 * CHROMA_BLEED + growth
    return Box(
        x0=max(0, box.x0 - bleed) // 2 * 2,
        y0=max(0, box.y0 - bleed) // 2 * 2,
        x1=min(width, (box.x1 + bleed + 1) // 2 * 2),
        y1=min(height, (box.y1 + bleed + 1) // 2 * 2),
    )


def _touch(first: Box, second: Box) -> bool:
    # One pixel apart counts as touching: chroma samples straddle odd edges.
    return first.x0 <= second.x1 and second.x0 <= first.x1 and first.y0 <= second.y1 and second.y0 <= first.y1


def _join(first: Box, second: Box) -> Box:
    return Box(
        x0=min(first.x0, second.x0),
        y0=min(first.y0, second.y0),
        x1=max(first.x1, second.x1),
        y1=max(first.y1, second.y1),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The points of one plane that a fill deals with: those covered and a ring around them.

    All positions refer to ``crop`` of the plane. ``flat`` are positions there, ``columns`` and ``rows`` those in the
    whole plane; ``place`` selects the matching luma pixels out of the occlusion's ``indices``; ``cell`` are positions
    in the grid of ``cells`` (rows, columns) that ring colours are compared in; ``mask`` (h, w) is what is covered.
    ``step`` is the plane's pixel size in luma pixels; ``deepest`` of them lie between the mask's middle and its edge.
    """

    crop: tuple[slice, slice]
    flat: NDArray[np.intp]
    columns: NDArray[np.float32]
    rows: NDArray[np.float32]
    place: NDArray[np.intp] | slice
    covered: NDArray[np.bool_]
    cell: NDArray[np.intp]
    cells: tuple[int, int]
    mask: NDArray[np.bool_]
    step: int
    deepest: float


class Occlusion:
    """What a set of overlays covers inside a window's surroundings, with everything that depends on it alone.

    Args:
        mask: (h, w) bool, true where the picture is covered.
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self.mask = mask
        self.is_empty = not mask.any()

    @cached_property
    def chroma_mask(self) -> NDArray[np.bool_]:
        """Chroma samples (ceil(h/2), ceil(w/2)) of which any luma pixel is covered, and those the colour bled into."""
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * CHROMA_BLEED + 1, 2 * CHROMA_BLEED + 1))
        return cv2.dilate(shrunk(self.mask, 2).astype(np.uint8), kernel).astype(bool)

    @cached_property
    def reach(self) -> NDArray[np.bool_]:
        """The masks of all planes and a ring around them (h, w)."""
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RING + 1, 2 * RING + 1))
        return cv2.dilate(self.tainted.astype(np.uint8), kernel).astype(bool)

    @cached_property
    def tainted(self) -> NDArray[np.bool_]:
        """Pixels (h, w) of which any plane is covered: no source for others."""
        height, width = self.mask.shape
        return np.repeat(np.repeat(self.chroma_mask, 2, axis=0), 2, axis=1)[:height, :width]

    @cached_property
    def indices(self) -> NDArray[np.int32]:
        """Flat positions of ``reach``."""
        return np.flatnonzero(self.reach).astype(np.int32)

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """How far inside the mask each of ``indices`` lies, in pixels; 0 in the ring."""
        distance = cv2.distanceTransform(self.mask.astype(np.uint8), cv2.DIST_L2, 3)
        return np.asarray(distance.reshape(-1)[self.indices], dtype=np.float32)

    @cached_property
    def columns(self) -> NDArray[np.float32]:
        """Column of each of ``indices``."""
        return np.asarray(self.indices % self.mask.shape[1], dtype=np.float32)

    @cached_property
    def rows(self) -> NDArray[np.float32]:
        """Row of each of ``indices``."""
        return np.asarray(self.indices // self.mask.shape[1], dtype=np.float32)

    @cached_property
    def covered(self) -> NDArray[np.bool_]:
        """Whether each of ``indices`` is in the mask, not in the ring."""
        return np.asarray(self.mask.reshape(-1)[self.indices], dtype=bool)

    @cached_property
    def ring(self) -> NDArray[np.intp]:
        """Places in ``indices`` of the pixels of which no plane is covered."""
        return np.flatnonzero(~self.tainted.reshape(-1)[self.indices])

    @cached_property
    def lookup(self) -> NDArray[np.int32]:
        """Flat (h * w): place of a pixel in ``indices``, -1 for pixels outside."""
        table = np.full(self.mask.size, -1, np.int32)
        table[self.indices] = np.arange(self.indices.size, dtype=np.int32)
        return table

    @cached_property
    def blocked(self) -> NDArray[np.bool_]:
        """Flat (h * w): whether bilinear sampling at this whole position would touch a tainted pixel."""
        grown = self.tainted.copy()
        grown[:, :-1] |= self.tainted[:, 1:]
        lower = grown.copy()
        grown[:-1] |= lower[1:]
        return grown.reshape(-1)

    def near(self, step: int) -> NDArray[np.bool_]:
        """Return where anything is covered from one pixel up and left to two down and right, in luma (1) or chroma (2).

        Shaped as the plane, (ceil(h / step), ceil(w / step)).
        """
        covered = (self.tainted if step == 1 else self.chroma_mask).astype(np.uint8)
        return cv2.dilate(covered, np.ones((4, 4), np.uint8), anchor=(1, 1)).astype(bool)

    def blocks(self, step: int) -> NDArray[np.int32]:
        """Flat position of each of ``indices`` in a picture ``step`` times smaller (1 or 2), rounded up."""
        return self.indices if step == 1 else self._halved

    @cached_property
    def _halved(self) -> NDArray[np.int32]:
        width = self.mask.shape[1]
        halved = self.indices // width // 2 * (-(-width // 2)) + self.indices % width // 2
        return np.asarray(halved, dtype=np.int32)

    @cached_property
    def points(self) -> tuple[Points, Points]:
        """What the fill deals with in luma, and in either chroma plane."""
        return self._points(1), self._points(2)

    def _points(self, step: int) -> Points:
        rows, columns = (np.flatnonzero(self.reach.any(axis=axis)) for axis in (1, 0))
        top, left = (max(0, int(first) - _BEYOND_RING) // CELL * CELL for first in (rows[0], columns[0]))
        bottom, right = (int(last) + 1 + _BEYOND_RING for last in (rows[-1], columns[-1]))
        crop = slice(top // step, -(-bottom // step)), slice(left // step, -(-right // step))
        mask = (self.mask if step == 1 else self.chroma_mask)[crop]
        # The upper left luma pixel of each 2x2 block is the guide of its chroma sample.
        row, column = np.nonzero(self.reach[::step, ::step][crop])
        scale = CELL // step
        cells = -(-mask.shape[0] // scale), -(-mask.shape[1] // scale)
        flat = row * mask.shape[1] + column
        full_row, full_column = row + crop[0].start, column + crop[1].start
        luma = step * (full_row * self.mask.shape[1] + full_column)
        return Points(
            crop=crop,
            flat=flat,
            columns=full_column.astype(np.float32),
            rows=full_row.astype(np.float32),
            place=slice(None) if step == 1 else self.lookup[luma].astype(np.intp),
            covered=mask.reshape(-1)[flat],
            cell=row // scale * cells[1] + column // scale,
            cells=cells,
            mask=mask,
            step=step,
            deepest=float(self.depth.max()),
        )


def shrunk(mask: NDArray[np.bool_], step: int) -> NDArray[np.bool_]:
    """Return a mask ``step`` times smaller (1 or 2), rounded up: true where any pixel of a block is."""
    if step == 1:
        return mask
    smaller = mask[::2, ::2].copy()
    height, width = mask.shape
    smaller[:, : width // 2] |= mask[::2, 1::2]
    smaller[: height // 2] |= mask[1::2, ::2]
    smaller[: height // 2, : width // 2] |= mask[1::2, 1::2]
    return smaller


class Window:
    """One window of the plan with its surroundings, and the overlays in it.

    Args:
        box: the patch's box.
        overlays: all of the video; those inside ``box`` belong to the window.
        width: frame width in pixels.
        height: frame height in pixels.
    """

    def __init__(self, box: Box, overlays: tuple[Overlay, ...], width: int, height: int) -> None:
        self.box = box
        margin = context_pixels(width, height)
        self.surroundings = Box(
            x0=max(0, box.x0 - margin),
            y0=max(0, box.y0 - margin),
            x1=min(width, box.x1 + margin),
            y1=min(height, box.y1 + margin),
        )
        self._frame_size = width, height
        self._overlays = tuple(overlay for overlay in overlays if _inside(overlay.box, box))
        self._occlusions: dict[tuple[tuple[int, bool], ...], Occlusion] = {}
        self._opaque: set[int] = set()

    def is_active(self, frame_index: int) -> bool:
        """Tell whether any overlay of the window is on screen."""
        return any(overlay.is_on(frame_index) for overlay in self._overlays)

    def overlays_at(self, frame_index: int) -> tuple[Overlay, ...]:
        """Return the overlays of the window that are on screen."""
        return tuple(overlay for overlay in self._overlays if overlay.is_on(frame_index))

    def with_overlay(self, overlay: Overlay) -> Window:
        """Return the window with ``overlay`` in the place of the one that has its number."""
        overlays = tuple(overlay if old.number == overlay.number else old for old in self._overlays)
        window = Window(self.box, overlays, *self._frame_size)
        window._opaque |= self._opaque
        return window

    def mask_of(self, overlay: Overlay) -> Mask:
        """Return what one overlay covers of the surroundings, (h, w), without what is looked through."""
        return self._occlusion_of(((self._overlays.index(overlay), False),)).mask

    def filled_of(self, overlay: Overlay, frame_index: int) -> Mask:
        """Return what is filled for one overlay in one frame, (h, w): its veil as well, where that is not clear."""
        with_veil = overlay.veil is not None and not self.is_clear(overlay, frame_index)
        return self._occlusion_of(((self._overlays.index(overlay), with_veil),)).mask

    def veil_of(self, overlay: Overlay) -> Mask:
        """Return where the veil of an overlay lies in the surroundings, (h, w)."""
        mask = np.zeros((self.surroundings.height, self.surroundings.width), dtype=bool)
        if overlay.veil is not None:
            mask[Rect.of_box(self.within(overlay.veil.box)).slices] = overlay.veil.opacity > 0
        return mask

    def occlusion(self, frame_index: int) -> Occlusion:
        """Return what is covered in one frame: masks, and veils that are not looked through."""
        active = tuple(
            (number, overlay.veil is not None and not self.is_clear(overlay, frame_index))
            for number, overlay in enumerate(self._overlays)
            if overlay.is_on(frame_index)
        )
        return self._occlusion_of(active)

    def veils_at(self, frame_index: int) -> tuple[Veil, ...]:
        """Return the veils that are looked through in one frame, those of the overlays on screen."""
        overlays = self.overlays_at(frame_index)
        return tuple(o.veil for o in overlays if o.veil is not None and self.is_clear(o, frame_index))

    def fill_veil_of(self, overlay: Overlay) -> None:
        """Have an overlay's veil filled from now on, not looked through."""
        self._opaque.add(overlay.number)

    def within(self, box: Box) -> Box:
        """Return a box of the frame as it lies in the surroundings."""
        x, y = self.surroundings.x0, self.surroundings.y0
        return Box(x0=box.x0 - x, y0=box.y0 - y, x1=box.x1 - x, y1=box.y1 - y)

    def is_clear(self, overlay: Overlay, frame_index: int) -> bool:
        """Tell whether an overlay has a veil that is looked through in a frame."""
        veil = overlay.veil
        if veil is None or overlay.number in self._opaque:
            return False
        return veil.start_frame <= frame_index < veil.end_frame

    def _occlusion_of(self, active: tuple[tuple[int, bool], ...]) -> Occlusion:
        if active not in self._occlusions:
            # Only neighbours in time ask for the same set again: the oldest goes, so that memory stays bounded.
            while len(self._occlusions) >= _REMEMBERED_OCCLUSIONS:
                del self._occlusions[next(iter(self._occlusions))]
            self._occlusions[active] = Occlusion(self._union(active))
        return self._occlusions[active]

    def _union(self, active: tuple[tuple[int, bool], ...]) -> Mask:
        """``active`` are the overlays' places in the window's list, each with whether its veil is covered, too."""
        around = self.surroundings
        mask = np.zeros((around.height, around.width), dtype=bool)
        for position, with_veil in active:
            overlay = self._overlays[position]
            mask[Rect.of_box(self.within(overlay.box)).slices] |= overlay.mask
            if with_veil:
                mask |= self.veil_of(overlay)
        return mask


def _inside(inner: Box, outer: Box) -> bool:
    return inner.x0 >= outer.x0 and inner.y0 >= outer.y0 and inner.x1 <= outer.x1 and inner.y1 <= outer.y1
