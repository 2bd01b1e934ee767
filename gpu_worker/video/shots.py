"""Finds the hard cuts of a video while it is decoded: the walls between which pieces are cut and pixels travel."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from domain.detection import Shot
from gpu_worker.video.frame import Frame, Plane

#: Scores are means over the picture: a quarter-megapixel tells nothing that this does not.
_ANALYSIS_WIDTH = 192
#: Two cuts closer than this are a flash, not two shots.
_MIN_SHOT_FRAMES = 4
#: Two frames of one scene correlate above this through a fade or a flash; frames across a cut were at most at 0.61.
_SAME_SCENE_CORRELATION = 0.9


class ShotFinder:
    """Splits a stream of frames into shots; give every frame in order, then ``flush``.

    The score is PySceneDetect's: the mean change of hue, saturation and luma, taken relative to the frames around it,
    so that a fast pan is no cut. A change of brightness alone, which scores as high, keeps the picture's structure.
    """

    def __init__(self, width: int, height: int) -> None:
        scale = min(1.0, _ANALYSIS_WIDTH / width)
        # 4:2:0 needs even sides.
        self._size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
        self._detector = AdaptiveDetector(min_scene_len=_MIN_SHOT_FRAMES)
        self._pts: dict[int, int] = {}
        self._same_scene: dict[int, bool] = {}
        self._previous_luma: NDArray[np.uint8] | None = None
        self._cuts: list[tuple[int, int]] = []
        self._frame_count = 0
        self._first_pts = 0

    def process_frame(self, frame: Frame) -> None:
        """Look at one frame."""
        if self._frame_count == 0:
            self._first_pts = frame.pts
        self._pts[frame.index] = frame.pts
        # Frame numbers are all that the detector is to know of time: its rate is a formality.
        timecode = FrameTimecode(frame.index, Fraction(25))
        thumbnail, luma = self._thumbnail(frame)
        self._same_scene[frame.index] = _is_same_scene(self._previous_luma, luma)
        self._previous_luma = luma
        for cut in self._detector.process_frame(timecode, thumbnail):
            if not self._same_scene[cut.frame_num]:
                self._cuts.append((cut.frame_num, self._pts[cut.frame_num]))
        self._frame_count += 1
        for memory in (self._pts, self._same_scene):
            memory.pop(frame.index - self._detector.event_buffer_length - 1, None)

    def flush(self) -> tuple[Shot, ...]:
        """Return all shots; at least one where there was a frame."""
        starts = [(0, self._first_pts), *self._cuts]
        ends = [index for index, _ in self._cuts] + [self._frame_count]
        return tuple(
            Shot(start_frame=start, end_frame=end, start_pts=pts)
            for (start, pts), end in zip(starts, ends, strict=True)
        )

    def _thumbnail(self, frame: Frame) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the frame in small: (h, w, 3) BGR, and its luma (h, w)."""
        width, height = self._size
        shift = frame.bit_depth - 8
        planes = [
            _shrunk(plane, size)
            for plane, size in (
                (frame.y, (width, height)),
                (frame.u, (width // 2, height // 2)),
                (frame.v, (width // 2, height // 2)),
            )
        ]
        flat = np.concatenate([plane.ravel() for plane in planes])
        if shift:
            flat = flat >> shift
        image = flat.astype(np.uint8).reshape(height * 3 // 2, width)
        return cv2.cvtColor(image, cv2.COLOR_YUV2BGR_I420).astype(np.uint8, copy=False), image[:height]


def _shrunk(plane: Plane, size: tuple[int, int]) -> Plane:
    """Return a plane at ``size`` (width, height); by halves as far as that goes, which is ten times as fast."""
    while plane.shape[1] >= 2 * size[0] and plane.shape[0] >= 2 * size[1]:
        half = (plane.shape[1] // 2, plane.shape[0] // 2)
        plane = cv2.resize(plane, half, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _is_same_scene(before: NDArray[np.uint8] | None, after: NDArray[np.uint8]) -> bool:
    """Tell whether two pictures have the same structure, whatever their brightness and contrast."""
    if before is None:
        return False
    first, second = before - before.mean(), after - after.mean()
    spread = float(np.sqrt((first**2).sum() * (second**2).sum()))
    # A black picture has no structure to share.
    return spread > 0 and float((first * second).sum()) / spread > _SAME_SCENE_CORRELATION
