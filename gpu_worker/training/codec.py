"""Pictures as they are after H.264: training sees what the codec makes of them, because production does."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

BytePlane = NDArray[np.uint8]

_GREY = 128
_RATE = 25


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """One picture: Y (h, w), U and V (h/2, w/2), 8 bits; both sides are even."""

    y: BytePlane
    u: BytePlane
    v: BytePlane


def through_h264(pictures: Sequence[Planes], crf: int, preset: str) -> list[Planes]:
    """Return pictures of one size as they are after libx264, each as one frame of a video."""
    height, width = pictures[0].y.shape
    stream_file = io.BytesIO()
    with av.open(stream_file, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=_RATE, options={"crf": str(crf), "preset": preset})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            packed = np.concatenate([plane.reshape(-1) for plane in (picture.y, picture.u, picture.v)])
            frame = av.VideoFrame.from_ndarray(packed.reshape(-1, width), format="yuv420p")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    stream_file.seek(0)
    with av.open(stream_file, "r") as container:
        return [_planes(np.asarray(frame.to_ndarray(), np.uint8), height, width) for frame in container.decode(video=0)]


def luma_through_h264(pictures: Sequence[BytePlane], crf: int, preset: str) -> list[BytePlane]:
    """Return luma (h, w) as it is after libx264, in videos without colour."""
    grey = np.full((pictures[0].shape[0] // 2, pictures[0].shape[1] // 2), _GREY, np.uint8)
    return [coded.y for coded in through_h264([Planes(luma, grey, grey) for luma in pictures], crf, preset)]


def _planes(packed: NDArray[np.uint8], height: int, width: int) -> Planes:
    """Split what PyAV gives of a yuv420p frame, (3h/2, w)."""
    chroma = packed[height:].reshape(2, height // 2, width // 2)
    return Planes(packed[:height].copy(), chroma[0].copy(), chroma[1].copy())
