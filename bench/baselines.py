"""What others do with a known mask or box, frame by frame: the methods to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.metrics import Mask, halved
from domain.detection import Box
from gpu_worker.fill.spatial import fill_smoothly
from gpu_worker.video.frame import Frame, Plane

_TELEA_RADIUS = 3


def telea(frames: Sequence[Frame], masks: Sequence[Mask]) -> list[Frame]:
    """Return 8-bit frames with each plane inpainted inside the masks (Telea, J. Graphics Tools 2004), by OpenCV."""

    def inpainted(plane: Plane, mask: Mask) -> NDArray[np.uint8]:
        return np.asarray(cv2.inpaint(plane, mask.astype(np.uint8), _TELEA_RADIUS, cv2.INPAINT_TELEA), dtype=np.uint8)

    return [_each_plane(frame, mask, inpainted) for frame, mask in zip(frames, masks, strict=True)]


def _each_plane(frame: Frame, mask: Mask, filled: Callable[[Plane, Mask], NDArray[np.uint8]]) -> Frame:
    half = halved(mask)
    return replace(frame, y=filled(frame.y, mask), u=filled(frame.u, half), v=filled(frame.v, half))


def smoothly(frames: Sequence[Frame], masks: Sequence[Mask]) -> list[Frame]:
    """Return 8-bit frames with each plane filled smoothly inside the masks: the spatial fill that all others refine."""

    def filled(plane: Plane, mask: Mask) -> NDArray[np.uint8]:
        return np.asarray(fill_smoothly(plane.astype(np.float32), mask) + 0.5, dtype=np.uint8)

    return [_each_plane(frame, mask, filled) for frame, mask in zip(frames, masks, strict=True)]


def from_edges(frames: Sequence[Frame], boxes: Sequence[Sequence[Box]]) -> list[Frame]:
    """Return 8-bit frames with every box interpolated from the pixels just outside its four edges.

    The method of FFmpeg's delogo, written from its description: each pixel is the mean of the four edge pixels in its
    row and column, weighted by the inverse of their distance. Edges are smoothed over three pixels; one that lies
    outside of the picture does not count.
    """
    done = []
    for frame, here in zip(frames, boxes, strict=True):
        y, u, v = frame.y.copy(), frame.u.copy(), frame.v.copy()
        for box in here:
            half = Box(x0=box.x0 // 2, y0=box.y0 // 2, x1=(box.x1 + 1) // 2, y1=(box.y1 + 1) // 2)
            for plane, area in ((y, box), (u, half), (v, half)):
                plane[area.y0 : area.y1, area.x0 : area.x1] = _interpolated(plane, area)
        done.append(replace(frame, y=y, u=u, v=v))
    return done


def _interpolated(plane: Plane, box: Box) -> NDArray[np.uint8]:
    rows, columns = slice(box.y0, box.y1), slice(box.x0, box.x1)
    total = np.zeros((box.height, box.width), np.float32)
    weight = np.zeros((box.height, box.width), np.float32)
    down = np.arange(1, box.height + 1, dtype=np.float32)[:, None]
    right = np.arange(1, box.width + 1, dtype=np.float32)[None, :]
    height, width = plane.shape
    if box.y0 > 0:
        _lend(total, weight, _smoothed(plane[box.y0 - 1, columns])[None, :], down)
    if box.y1 < height:
        _lend(total, weight, _smoothed(plane[box.y1, columns])[None, :], down[::-1])
    if box.x0 > 0:
        _lend(total, weight, _smoothed(plane[rows, box.x0 - 1])[:, None], right)
    if box.x1 < width:
        _lend(total, weight, _smoothed(plane[rows, box.x1])[:, None], right[:, ::-1])
    return np.asarray(total / np.maximum(weight, 1e-9) + 0.5, dtype=np.uint8)


def _lend(
    total: NDArray[np.float32], weight: NDArray[np.float32], edge: NDArray[np.float32], distance: NDArray[np.float32]
) -> None:
    total += edge / distance
    weight += 1 / distance


def _smoothed(edge: Plane) -> NDArray[np.float32]:
    padded = np.pad(edge.astype(np.float32), 1, mode="edge")
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3, dtype=np.float32)
