"""Judges the result of one overlay: would a viewer see that something stood there?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import Box
from gpu_worker.captions.band import Picture
from gpu_worker.captions.detector import TextDetector
from gpu_worker.fill.overlays import Overlay, SubjectKind
from gpu_worker.fill.second_look import Shown, Verdict
from gpu_worker.review.figures import Luma, Mask, Moment, edges_left, flicker_ratio, ghost_levels, line_hull, seam_ratio
from gpu_worker.video.frame import Frame, Plane
from gpu_worker.video.rect import Rect

# The gates. Each lies above what clean frames give at the same places and below what most spoilt fills give. The
# figures are from 33 captions drawn over clips of all kinds (`make bench-second-look QUICK=1`); other clips reached
# what stands in brackets. All are means over the caption: a fault of a small part of it may pass.
#: Share of the caption's lines in which the detector sees text at all moments. Clean frames: 0; one letter of twelve
#: that the mask missed: 0.02-0.1; a fifth of the caption's contrast left: 0.2-0.4.
MAX_RESIDUAL_TEXT = 0.012
#: Share of an icon's edges that is still there in the mean over all moments, beyond what is found anywhere beside it.
#: Clean frames: up to 0.05, where the scene by chance has such edges 0.24 (20 logos of `make bench-icons`).
MAX_RESIDUAL_EDGES = 0.25
#: Levels by which the picture follows the strokes. Clean frames: up to 3.4 (4.9); 5 % of the contrast left: 4 in the
#: median; 10 %: 9.
MAX_GHOST_LEVELS = 6.0
#: Step across the mask's edge over that beside it. Clean frames: up to 1.13 (1.25), fills up to 1.4; masks 3 px too
#: small: 3 in the median; 8 levels of offset: 2.9.
MAX_SEAM = 1.8
#: Change along the motion over that beside the mask. Clean frames: up to 1.3 (2.0), fills up to 1.9; every other frame
#: 8 levels off: 3 in the median.
MAX_FLICKER = 2.5

#: Moments looked at: so many see a caption whole while the cost stays a few frames' worth.
_MOMENTS = 5
_TEXT_MOMENTS = 3
_PAIRS = 3
_TEXT_PROBABILITY = 0.3
#: Text of this height in pixels is what the detection network separates best from its background.
_COMFORTABLE_LINE_HEIGHT = 32
#: What is taller than this share of the frame's longer side is no line but a region; lines in it are about so tall.
_TALLEST_LINE_SHARE = 0.15
_USUAL_LINE_SHARE = 0.05
#: Around the caption: enough for a ring, and for text that goes on beyond it.
_MARGIN_LINES = 0.7
_MIN_MARGIN = 24
#: Text of which the mask covers no more than this share was missed; letters cover a third of their boxes and more.
_MAX_COVERED = 0.25
#: How far letters reach beyond what the network marks, in line heights.
_LETTER_MARGIN = 0.3
#: Pictures are looked at as if they had about so many lines, at which the gates were found; large places yet smaller.
_LINES = 360
_MAX_PIXELS = 250_000


_MAX_RESIDUAL = {SubjectKind.CAPTION: MAX_RESIDUAL_TEXT, SubjectKind.ICON: MAX_RESIDUAL_EDGES}


def severities(
    kind: SubjectKind, *, residual: float, ghost_levels: float, seam: float, flicker: float
) -> dict[str, float]:
    """Return each figure of a caption or an icon as a multiple of its gate, by name; above 1 it may be seen."""
    return {
        "residual": residual / _MAX_RESIDUAL[kind],
        "ghost_levels": ghost_levels / MAX_GHOST_LEVELS,
        "seam": seam / MAX_SEAM,
        "flicker": flicker / MAX_FLICKER,
    }


class Judge:
    """Measures what the fill of an overlay left; that of a caption with the detection network that found it.

    Args:
        open_detector: opens the text detector; called when the first caption is judged.
        rotation_degrees: counter-clockwise turn that a player applies, a multiple of 90: text is looked for upright.
    """

    def __init__(self, open_detector: Callable[[], TextDetector], rotation_degrees: int = 0) -> None:
        self._open_detector = open_detector
        self._turns = rotation_degrees // 90 % 4
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    @cached_property
    def _detector(self) -> TextDetector:
        return self._open_detector()

    def judge(self, shown: Shown) -> Verdict:
        """Return the figures of one overlay; they depend on what is shown alone."""
        place = _Place(shown)
        count = len(shown.frames)
        chosen = _spread(count, _MOMENTS)
        moments = [place.moment(at) for at in chosen]
        pairs = [at for at in _spread(count, _PAIRS) if at > 0]
        scene = [place.luma(frame) for frame in place.near]
        kind = shown.overlay.subject.kind
        missed: tuple[Box, ...] = ()
        if kind is SubjectKind.CAPTION:
            residual, missed = self._residual_text(place, _spread(count, _TEXT_MOMENTS))
        else:
            residual = edges_left(moments, place.mask, place.line_height, scene)
        ghost = ghost_levels(moments, place.mask, place.line_height, scene)
        seam = float(np.mean([seam_ratio(moment.filled, place.mask, place.others) for moment in moments]))
        # Where the scene has an edge of its own along the mask's, it has one without the caption too.
        seam /= max(1.0, min((seam_ratio(luma, place.mask, place.others) for luma in scene), default=1.0))
        changes = [
            flicker_ratio(place.filled_luma(at - 1), place.filled_luma(at), (place.mask, place.others), self._flow)
            for at in pairs
        ]
        flicker = float(np.mean(changes)) if changes else 1.0
        figures = severities(kind, residual=residual, ghost_levels=ghost, seam=seam, flicker=flicker)
        return Verdict(residual, ghost, seam, flicker, max(figures.values()), missed)

    def _residual_text(self, place: _Place, chosen: Sequence[int]) -> tuple[float, tuple[Box, ...]]:
        """Return the share of the caption's lines in which text stands still, and only while the caption did.

        With it come the boxes of what stands there beside the mask.

        What is left of a caption stays where it was; text of the scene moves, or stands there before and after too, or
        goes on beside the caption.
        """
        hull = line_hull(place.mask, place.line_height) & ~place.others
        if not hull.any():
            return 0.0, ()
        still = hull
        beside = np.zeros(hull.shape, dtype=bool)
        for at in chosen:
            text = self._text(place.filled_picture(at), place)
            still = still & text
            beside = beside | text
            if not still.any():
                return 0.0, ()
        for frame in place.near:
            # Text is not found to the pixel: what lies near text of the neighbour is that text.
            scene = self._text(place.picture(frame), place)
            side = place.line_height | 1
            still = still & ~cv2.dilate(scene.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
        outside = ~hull & ~place.others
        density = float((beside & outside).sum() / max(1, outside.sum()))
        share = max(0.0, float(still.sum() / hull.sum()) - density)
        return share, place.missed_letters(still) if share > 0 else ()

    def _text(self, picture: Picture, place: _Place) -> Mask:
        scale = min(1.0, _COMFORTABLE_LINE_HEIGHT / (place.line_height * place.shrink))
        upright = Picture(*(np.ascontiguousarray(np.rot90(p, self._turns)) for p in (picture.y, picture.u, picture.v)))
        probability = np.ascontiguousarray(np.rot90(self._detector.probability(upright, scale), -self._turns))
        height, width = place.mask.shape
        return np.asarray(cv2.resize(probability, (width, height)) > _TEXT_PROBABILITY, dtype=bool)


class _Place:
    """The surroundings of one overlay, cut out of frames; shrunk where they are large."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        box, frame = shown.overlay.box, shown.frames[0]
        line_height = max(1, min(box.width, box.height) // shown.overlay.lines)
        longest = max(frame.width, frame.height)
        if line_height > _TALLEST_LINE_SHARE * longest:
            line_height = max(1, round(_USUAL_LINE_SHARE * longest))
        margin = max(_MIN_MARGIN, round(_MARGIN_LINES * line_height))
        self.box = Box(
            x0=max(0, box.x0 - margin) // 2 * 2,
            y0=max(0, box.y0 - margin) // 2 * 2,
            x1=min(frame.width, box.x1 + margin),
            y1=min(frame.height, box.y1 + margin),
        )
        large = int(np.ceil(np.sqrt(self.box.width * self.box.height / _MAX_PIXELS)))
        self.shrink = max(1, large, min(frame.width, frame.height) // _LINES)
        self.line_height = max(4, line_height // self.shrink)
        self._filled: dict[int, Luma] = {}
        #: The scene without the overlay: one frame before and one after, where there are any.
        self.near = [shown.neighbours[at] for at in _spread(len(shown.neighbours), 2)]
        self.mask = self._shrunk_mask([shown.overlay])
        self._opacity = self._shrunk_opacity(shown.overlay)
        # Where two overlays lie over each other, what is seen is both.
        self.others = self._shrunk_mask(shown.others) & ~self.mask

    def _shrunk_opacity(self, overlay: Overlay) -> Luma:
        """Return how much an overlay's veil hides of what is behind it (h, w), 0-1; 0 where that is all, or nothing."""
        opacity = np.zeros((self.box.height, self.box.width), np.float32)
        if overlay.veil is not None:
            place = Rect.of_box(overlay.veil.box).shifted(-self.box.x0, -self.box.y0)
            inside = place.meet(Rect(0, 0, self.box.width, self.box.height))
            through = overlay.veil.opacity[inside.shifted(-place.x0, -place.y0).slices]
            opacity[inside.slices] = np.where(through < 1, through, 0)
        return self._shrunk(opacity)

    def _shrunk_mask(self, overlays: Sequence[Overlay]) -> Mask:
        mask = np.zeros((self.box.height, self.box.width), dtype=bool)
        for overlay in overlays:
            self._paint(mask, overlay.box, overlay.mask)
            if overlay.veil is not None:
                # All of a veil is changed: its edge is the seam, and it may shine through.
                self._paint(mask, overlay.veil.box, overlay.veil.opacity > 0)
        return np.asarray(self._shrunk(mask) > 0, dtype=bool)

    def _paint(self, mask: Mask, box: Box, part: Mask) -> None:
        x0, y0 = max(box.x0, self.box.x0), max(box.y0, self.box.y0)
        x1, y1 = min(box.x1, self.box.x1), min(box.y1, self.box.y1)
        if x0 < x1 and y0 < y1:
            seen = part[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0]
            mask[y0 - self.box.y0 : y1 - self.box.y0, x0 - self.box.x0 : x1 - self.box.x0] |= seen

    def _shrunk(self, plane: NDArray[Any]) -> Luma:
        plane = plane.astype(np.float32, copy=False)
        if self.shrink == 1:
            return plane
        size = (max(1, plane.shape[1] // self.shrink), max(1, plane.shape[0] // self.shrink))
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.float32)

    def missed_letters(self, text: Mask) -> tuple[Box, ...]:
        """Return the boxes, in the frame, of text that the mask hardly covers."""
        count, _, stats, _ = cv2.connectedComponentsWithStats(text.astype(np.uint8))
        found = []
        for label in range(1, count):
            x, y, width, height = (int(value) for value in stats[label, :4])
            if self.mask[y : y + height, x : x + width].mean() > _MAX_COVERED:
                continue
            # The network marks the middle of letters.
            margin = round(_LETTER_MARGIN * self.line_height)
            found.append(
                Box(
                    x0=max(0, self.box.x0 + (x - margin) * self.shrink),
                    y0=max(0, self.box.y0 + (y - margin) * self.shrink),
                    x1=self.box.x0 + (x + width + margin) * self.shrink,
                    y1=self.box.y0 + (y + height + margin) * self.shrink,
                )
            )
        return tuple(found)

    def moment(self, at: int) -> Moment:
        """Return one frame with and without the overlay.

        A veil takes more away from what is bright behind it than from what is dark: with nothing but strokes taken
        away, what is seen must be what they look like over an even picture. Else the scene would follow itself.
        """
        source, filled = self.luma(self.shown.frames[at]), self.filled_luma(at)
        even = float(filled[self.mask].mean()) if self.mask.any() else 0.0
        return Moment(source + self._opacity * (filled - even), filled)

    def luma(self, frame: Frame) -> Luma:
        """Return the luma of a frame, in 8-bit levels."""
        return self._levels(_cut(frame.y, self.box, 1), frame.bit_depth)

    def filled_luma(self, at: int) -> Luma:
        """Return the luma of a result, in 8-bit levels."""
        if at not in self._filled:
            frame, patch = self.shown.frames[at], self.shown.patches[at]
            self._filled[at] = self._levels(_patched(frame.y, patch.y, (self.box, patch.box), 1), frame.bit_depth)
        return self._filled[at]

    def _levels(self, plane: Plane, bit_depth: int) -> Luma:
        return self._shrunk(plane) / np.float32(1 << (bit_depth - 8))

    def picture(self, frame: Frame) -> Picture:
        """Return a frame in colour, 8-bit."""
        planes = (_cut(plane, self.box, step) for plane, step in ((frame.y, 1), (frame.u, 2), (frame.v, 2)))
        return _picture(planes, frame.bit_depth)

    def filled_picture(self, at: int) -> Picture:
        """Return a result in colour, 8-bit."""
        frame, patch = self.shown.frames[at], self.shown.patches[at]
        pairs = ((frame.y, patch.y, 1), (frame.u, patch.u, 2), (frame.v, patch.v, 2))
        planes = (_patched(plane, new, (self.box, patch.box), step) for plane, new, step in pairs)
        return _picture(planes, frame.bit_depth)


def _picture(planes: Iterable[Plane], bit_depth: int) -> Picture:
    y, u, v = ((plane >> (bit_depth - 8)).astype(np.uint8) for plane in planes)
    return Picture(y, u, v)


def _cut(plane: Plane, box: Box, step: int) -> Plane:
    """Return what lies in ``box`` of a plane of which one sample stands for ``step`` luma pixels each way."""
    return plane[box.y0 // step : -(-box.y1 // step), box.x0 // step : -(-box.x1 // step)]


def _patched(plane: Plane, new: Plane, boxes: tuple[Box, Box], step: int) -> Plane:
    """Return the same of a copy of the plane over which ``new`` is laid; ``boxes`` are the place and the patch's."""
    place, patch = boxes
    cut = _cut(plane, place, step).copy()
    x, y = (patch.x0 - place.x0) // step, (patch.y0 - place.y0) // step
    rows = slice(max(0, y), max(0, min(cut.shape[0], y + new.shape[0])))
    columns = slice(max(0, x), max(0, min(cut.shape[1], x + new.shape[1])))
    cut[rows, columns] = new[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    return cut


def _spread(count: int, wanted: int) -> list[int]:
    """Return up to ``wanted`` positions of ``count``, in the middles of as many equal parts."""
    parts = min(count, wanted)
    return sorted({int((part + 0.5) * count / parts) for part in range(parts)})
