"""Whether a text detector still sees text where a caption was, and whether that text is the scene's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bench.metrics import Mask, ghost
from domain.detection import Box
from domain.regions import CAPTION_BAND
from gpu_worker.captions.band import Band
from gpu_worker.captions.detector import TextDetector
from gpu_worker.captions.finder import DETECTION_MODEL
from gpu_worker.inference.session import open_session
from gpu_worker.video.frame import Frame

#: A line counts where this share of its box was covered by a caption.
_LEAST_COVERED = 0.2
#: What the detector takes for text in the clean video it does not see on every frame: so many to either side are asked.
_NEARBY_FRAMES = 12
#: Two lines are the same where they share this much of the smaller one.
_SAME_PLACE = 0.5
#: Whatever the scene looks like: where more of a caption's contrast than this is left, it is the caption that is seen.
_MOST_GHOST = 0.1


@dataclass(frozen=True, slots=True)
class Residual:
    """Captioned frames: those with text left, those judged, and those where only the scene's own text was seen."""

    left: int
    judged: int
    scene: int


class ResidualText:
    """Looks for what is left of one clip's captions.

    Args:
        clean: the video without captions.
        captioned: the same with them.
        masks: what they cover in each frame, (H, W).
        cuts: frames that start a shot.
        stride: of the captioned frames, every so many are looked at.
        detector: text detector; by default the worker's.
    """

    def __init__(
        self,
        clean: Sequence[Frame],
        captioned: Sequence[Frame],
        masks: Sequence[Mask],
        cuts: Sequence[int],
        stride: int = 1,
        *,
        detector: TextDetector | None = None,
    ) -> None:
        self._detector = detector or TextDetector(open_session(DETECTION_MODEL))
        self._band = Band(CAPTION_BAND, clean[0].width, clean[0].height, 0)
        self._clean, self._captioned, self._masks = clean, captioned, masks
        self._shots = list(pairwise([0, *(cut for cut in cuts if 0 < cut < len(clean)), len(clean)]))
        self._looked_at = [index for index, mask in enumerate(masks) if mask.any()][::stride]
        self._scene: dict[int, list[Box]] = {}

    def count(self, frames: Sequence[Frame]) -> Residual:
        """Judge a version of the clip on its captioned frames.

        A line of text where a caption was is the scene's own if the detector sees it in the clean video too, on this
        frame or near it in the same shot, and nothing of the caption's contrast is left there. A frame with no other
        line than such is not judged: it says nothing either way.
        """
        left = judged = scene = 0
        for index in self._looked_at:
            frame, mask = frames[index], self._masks[index]
            lines = [box for box in self._lines(frame) if mask[_part(box)].mean() > _LEAST_COVERED]
            is_left = any(not self._is_scene(index, frame, box) for box in lines)
            left += is_left
            judged += is_left or not lines
            scene += bool(lines) and not is_left
        return Residual(left, judged, scene)

    def _lines(self, frame: Frame) -> list[Box]:
        lines = self._detector.find_lines(self._band.cut(frame))
        return [
            self._band.to_coded(line.rect, np.zeros((line.rect.height, line.rect.width), np.uint8))[0] for line in lines
        ]

    def _is_scene(self, index: int, frame: Frame, box: Box) -> bool:
        part = _part(box)
        mask = self._masks[index][part]
        if ghost(frame.y[part], self._clean[index].y[part], self._captioned[index].y[part], mask) > _MOST_GHOST:
            return False
        start, end = next(shot for shot in self._shots if shot[0] <= index < shot[1])
        near = range(max(start, index - _NEARBY_FRAMES), min(end, index + _NEARBY_FRAMES + 1))
        # The frame itself is the likeliest to answer, then those beside it.
        return any(
            _same_place(box, other)
            for number in sorted(near, key=lambda number: abs(number - index))
            for other in self._scene_lines(number)
        )

    def _scene_lines(self, index: int) -> list[Box]:
        if index not in self._scene:
            self._scene[index] = self._lines(self._clean[index])
        return self._scene[index]


def _part(box: Box) -> tuple[slice, slice]:
    return slice(box.y0, box.y1), slice(box.x0, box.x1)


def _same_place(first: Box, second: Box) -> bool:
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    smaller = min(first.width * first.height, second.width * second.height)
    return width > 0 and height > 0 and width * height > _SAME_PLACE * smaller
