"""Between FFmpeg's pictures and our planes: 4:2:0 in 8 or 10 bits, matrix and range kept."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from gpu_worker.video.frame import Plane
from gpu_worker.video.source import RANGE_LIMITED, VideoFacts

_PIXEL_FORMATS: dict[int, Literal["yuv420p", "yuv420p10le"]] = {8: "yuv420p", 10: "yuv420p10le"}
#: Same layout in memory as yuv420p; only the range differs, and that is a tag of the stream.
_FULL_RANGE_TWIN = "yuvj420p"
_MATRIX_TO_COLORSPACE = {1: Colorspace.ITU709, 6: Colorspace.SMPTE170M}


def pixel_format(bit_depth: int) -> Literal["yuv420p", "yuv420p10le"]:
    """Return FFmpeg's name of planar 4:2:0 with ``bit_depth`` 8 or 10."""
    return _PIXEL_FORMATS[bit_depth]


class PlaneReader:
    """Brings every decoded picture to the size and the 4:2:0 format that the video's facts promise."""

    def __init__(self, facts: VideoFacts) -> None:
        self._facts = facts
        self._format = pixel_format(facts.bit_depth)
        self._reformatter = VideoReformatter()

    def planes(self, picture: VideoFrame) -> tuple[Plane, Plane, Plane]:
        """Return y (H, W), u and v (ceil(H/2), ceil(W/2)) as read-only views, uint8 or uint16."""
        y, u, v = plane_arrays(self._conformed(picture), self._facts.bit_depth)
        for plane in (y, u, v):
            # The decoder predicts later pictures from this very memory.
            plane.flags.writeable = False
        return y, u, v

    def _conformed(self, picture: VideoFrame) -> VideoFrame:
        facts = self._facts
        same_size = (picture.width, picture.height) == (facts.width, facts.height)
        name = picture.format.name
        if same_size and (name == self._format or (name == _FULL_RANGE_TWIN and self._format == "yuv420p")):
            return picture
        from_rgb = picture.format.is_rgb or picture.format.has_palette
        return self._reformatter.reformat(
            picture,
            width=facts.width,
            height=facts.height,
            format=self._format,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            # Between YUV formats matrix and range stay as they are; from RGB they become those of our own tags.
            dst_colorspace=_MATRIX_TO_COLORSPACE[facts.colour.matrix] if from_rgb else None,
            dst_color_range=RANGE_LIMITED if from_rgb else facts.colour.colour_range,
        )


def plane_arrays(picture: VideoFrame, bit_depth: int) -> tuple[Plane, Plane, Plane]:
    """Return views of the three planes of a 4:2:0 picture, without its padding."""
    y, u, v = (_plane_view(picture, index, bit_depth) for index in range(3))
    return y, u, v


def _plane_view(picture: VideoFrame, index: int, bit_depth: int) -> Plane:
    plane = picture.planes[index]
    dtype = np.uint8 if bit_depth == 8 else np.uint16
    items = np.frombuffer(memoryview(plane), dtype)
    # A buffer may end with its last picture line, short of a full stride.
    lines = np.lib.stride_tricks.as_strided(
        items, shape=(plane.height, plane.width), strides=(plane.line_size, items.itemsize)
    )
    return cast("Plane", lines)


def picture_from_planes(
    planes: tuple[Plane, Plane, Plane], bit_depth: int, pts: int, time_base: Fraction
) -> VideoFrame:
    """Copy planes into a picture for an encoder or a filter.

    The picture is as large as ``planes``; odd sizes are allowed here, not by every encoder.
    """
    y = planes[0]
    picture = VideoFrame(int(y.shape[1]), int(y.shape[0]), pixel_format(bit_depth))
    for target, plane in zip(plane_arrays(picture, bit_depth), planes, strict=True):
        target[...] = plane
    picture.pts = pts
    picture.time_base = time_base
    return picture
