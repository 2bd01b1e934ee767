"""The light that an HDR picture was made for (SMPTE ST 2086, CTA-861.3): read from the source, told to the encoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from numpy.typing import NDArray

#: Units of H.264's own message: chromaticities in 1/50,000, luminances in 1/10,000 cd/m2.
_CHROMATICITY_UNIT = 50_000
_LUMINANCE_UNIT = 10_000
#: FFmpeg's struct: ten fractions (x and y of red, green, blue and white; least and most light), then what of it is set.
_FRACTIONS = 10
_TRANSFERS = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True, slots=True)
class HdrMetadata:
    """Static HDR metadata in the units of H.264's messages.

    ``mastering``: x and y of red, green, blue and white, least and most luminance; ``content_light``: MaxCLL, MaxFALL
    in cd/m2. None where the source does not say.
    """

    mastering: tuple[int, ...] | None
    content_light: tuple[int, int] | None

    def x264_params(self) -> tuple[str, ...]:
        """Return the parameters by which libx264 writes the messages."""
        params = []
        if self.mastering is not None:
            rx, ry, gx, gy, bx, by, wx, wy, least, most = self.mastering
            params.append(f"mastering-display=G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({most},{least})")
        if self.content_light is not None:
            params.append("cll={},{}".format(*self.content_light))
        return tuple(params)


def hdr_name(transfer: int) -> str | None:
    """Return what an HDR transfer function (ITU-T H.273 code point) is called; None for any other."""
    return _TRANSFERS.get(transfer)


def hdr_metadata(picture: VideoFrame) -> HdrMetadata | None:
    """Read what a decoded picture says of itself; None where it says nothing."""
    mastering: tuple[int, ...] | None = None
    content_light: tuple[int, int] | None = None
    for entry in picture.side_data:
        if not isinstance(entry, SideData):  # PyAV's stubs call the container a mapping; it iterates over entries
            continue
        if entry.type == SideDataType.MASTERING_DISPLAY_METADATA:
            mastering = _mastering(np.frombuffer(bytes(entry), np.int32))
        elif entry.type == SideDataType.CONTENT_LIGHT_LEVEL:
            brightest, average = np.frombuffer(bytes(entry), np.uint32)[:2].tolist()
            content_light = (brightest, average)
    return None if mastering is None and content_light is None else HdrMetadata(mastering, content_light)


def _mastering(numbers: NDArray[np.int32]) -> tuple[int, ...] | None:
    pairs, is_set = numbers[: 2 * _FRACTIONS].reshape(_FRACTIONS, 2).tolist(), numbers[2 * _FRACTIONS :]
    if not is_set.all() or not all(bottom for _, bottom in pairs):
        return None
    units = [_CHROMATICITY_UNIT] * 8 + [_LUMINANCE_UNIT] * 2
    return tuple(round(unit * top / bottom) for unit, (top, bottom) in zip(units, pairs, strict=True))
