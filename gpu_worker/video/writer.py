"""Encodes the frames of one piece as H.264, with the source's own timestamps: every video is encoded once, here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import numpy as np
from av.codec.context import Flags
from av.video.stream import VideoStream

from domain.errors import UnsupportedResolutionError
from gpu_worker.video.encoders import EncoderName, RateTarget, choose_encoder, encoder_options
from gpu_worker.video.fields import FieldTagger
from gpu_worker.video.frame import Plane
from gpu_worker.video.hdr import HdrMetadata
from gpu_worker.video.pixels import picture_from_planes, pixel_format
from gpu_worker.video.source import ColourTags, FieldOrder

#: H.264's own limit, as libx264 states it.
_MAX_SIDE = 16384


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """What the encoded stream says of itself. ``width`` and ``height`` are those of the planes that will come."""

    width: int
    height: int
    bit_depth: int
    time_base: Fraction
    frame_rate: Fraction
    sample_aspect_ratio: Fraction | None
    colour: ColourTags
    field_order: FieldOrder = "progressive"
    hdr: HdrMetadata | None = None

    @property
    def coded_width(self) -> int:
        """Width that 4:2:0 H.264 can code: the next even one."""
        return self.width + self.width % 2

    @property
    def coded_height(self) -> int:
        """Height that 4:2:0 H.264 can code: the next even one."""
        return self.height + self.height % 2

    @property
    def coded_field_order(self) -> FieldOrder:
        """Field order that can be coded: interlaced 4:2:0 comes in rows of four."""
        return self.field_order if self.coded_height % 4 == 0 else "progressive"


class PieceWriter:
    """Writes one piece to an MP4 file whose first pts is 0. Use as a context manager.

    The file is complete when the block is left without an exception.
    """

    def __init__(self, path: Path, picture_format: PictureFormat, target: RateTarget) -> None:
        """Open the encoder.

        Raises:
            UnsupportedResolutionError: when a side is over what H.264 codes.
        """
        if max(picture_format.coded_width, picture_format.coded_height) > _MAX_SIDE:
            raise UnsupportedResolutionError(
                f"the output would have {picture_format.width}x{picture_format.height} pixels;"
                f" H.264 codes at most {_MAX_SIDE} a side"
            )
        self._format = picture_format
        interlaced = picture_format.coded_field_order != "progressive"
        self.encoder: EncoderName = choose_encoder(picture_format.bit_depth, interlaced=interlaced)
        self.frame_count = 0
        self._first_pts: int | None = None
        self._tagger = FieldTagger(picture_format.coded_field_order) if interlaced else None
        self._container = av.open(path, "w", format="mp4")
        self._stream = self._add_stream(target, interlaced=interlaced)

    def _add_stream(self, target: RateTarget, *, interlaced: bool) -> VideoStream:
        fmt = self._format
        stream = self._container.add_stream(
            self.encoder, rate=fmt.frame_rate, options=encoder_options(self.encoder, target, fmt.hdr)
        )
        assert isinstance(stream, VideoStream)
        codec = stream.codec_context
        codec.width, codec.height = fmt.coded_width, fmt.coded_height
        codec.pix_fmt = pixel_format(fmt.bit_depth)
        codec.time_base = fmt.time_base
        stream.time_base = fmt.time_base
        codec.color_primaries, codec.color_trc = fmt.colour.primaries, fmt.colour.transfer
        codec.colorspace, codec.color_range = fmt.colour.matrix, fmt.colour.colour_range
        if fmt.sample_aspect_ratio is not None:
            codec.sample_aspect_ratio = fmt.sample_aspect_ratio
        if interlaced:
            codec.flags |= Flags.interlaced_dct | Flags.interlaced_me
        return stream

    def write(self, planes: tuple[Plane, Plane, Plane], pts: int) -> None:
        """Encode one picture; ``pts`` in ticks of the format's time base, increasing from call to call."""
        if self._first_pts is None:
            self._first_pts = pts
        fmt = self._format
        picture = picture_from_planes(
            even_planes(planes), fmt.bit_depth, pts=pts - self._first_pts, time_base=fmt.time_base
        )
        if self._tagger is not None:
            picture = self._tagger.tag(picture)
        self._container.mux(self._stream.encode(picture))
        self.frame_count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


def even_planes(planes: tuple[Plane, Plane, Plane]) -> tuple[Plane, Plane, Plane]:
    """Repeat the last row or column of a luma plane with an odd side; chroma is rounded up to it already."""
    y, u, v = planes
    odd_rows, odd_columns = y.shape[0] % 2, y.shape[1] % 2
    if not odd_rows and not odd_columns:
        return planes
    return cast("Plane", np.pad(y, ((0, odd_rows), (0, odd_columns)), mode="edge")), u, v
