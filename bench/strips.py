"""Pictures to look at: the same part of several versions of a video, one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import Box
from gpu_worker.video.frame import Frame

_MARGIN = 20
_LABEL_HEIGHT = 14
_MOMENTS = 3
_FONT_SCALE = 0.4


def write_strip(moments: Sequence[tuple[int, Box]], versions: Mapping[str, Sequence[Frame]], path: Path) -> None:
    """Write one picture: the first moments side by side, one labelled row per version.

    Args:
        moments: frame numbers, and where to look: of captions all that stands in their rows, of icons what is near.
        versions: frames by name.
        path: of the PNG.
    """
    columns = []
    for index, box in moments[:_MOMENTS]:
        part = slice(max(0, box.y0 - _MARGIN), box.y1 + _MARGIN), slice(max(0, box.x0 - _MARGIN), box.x1 + _MARGIN)
        columns.append([bgr(frames[index])[part] for frames in versions.values()])
    height = max(column[0].shape[0] for column in columns)
    rows = []
    for number, name in enumerate(versions):
        row = np.hstack([_padded(column[number], height) for column in columns])
        label = np.full((_LABEL_HEIGHT, row.shape[1], 3), 40, np.uint8)
        cv2.putText(label, name, (4, _LABEL_HEIGHT - 4), cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, (255, 255, 255))
        rows += [label, row]
    cv2.imwrite(str(path), np.vstack(rows))


def _padded(picture: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    return np.pad(picture, ((0, height - picture.shape[0]), (0, 0), (0, 0)))


def bgr(frame: Frame) -> NDArray[np.uint8]:
    """Return an 8-bit frame as BGR (H, W, 3): near enough for eyes."""
    size = (frame.width, frame.height)
    planes = (frame.y, cv2.resize(frame.v, size), cv2.resize(frame.u, size))
    return np.asarray(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2BGR), dtype=np.uint8)
