"""The lossless patches that erase hands to upscale: one FFV1 stream a window, each picture's pts its frame's index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from domain.detection import Box
from gpu_worker.video.frame import Frame, Patch
from gpu_worker.video.pixels import picture_from_planes, pixel_format, plane_arrays
from gpu_worker.video.rect import Rect

#: Matroska counts milliseconds whatever it is told: one "millisecond" is one frame here.
_FRAME_CLOCK = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class PatchStream:
    """One window of the picture and the file that holds its patches."""

    box: Box
    path: Path


class PatchWriter:
    """Writes the patches of one segment into ``directory``. Use as a context manager.

    ``boxes`` are disjoint, and each patch lies inside one of them: a stream holds what is inside a box, on those frames
    that have a patch there. So there are few streams however many places the patches have.
    """

    def __init__(self, directory: Path, bit_depth: int, boxes: tuple[Box, ...]) -> None:
        self._directory = directory
        self._bit_depth = bit_depth
        self._boxes = boxes
        self._outputs: dict[Box, tuple[av.container.OutputContainer, VideoStream]] = {}
        self.streams: list[PatchStream] = []

    def write(self, frame: Frame, patches: Iterable[Patch]) -> None:
        """Append the patches of one frame; frame indices increase from call to call."""
        patches = list(patches)
        clean = apply_patches(frame, patches)
        for box in self._boxes:
            area = Rect.of_box(box)
            if not any(area.meet(Rect.of_box(patch.box)).area for patch in patches):
                continue
            if box not in self._outputs:
                self._outputs[box] = self._open(box)
            container, stream = self._outputs[box]
            half = slice(box.y0 // 2, (box.y1 + 1) // 2), slice(box.x0 // 2, (box.x1 + 1) // 2)
            planes = clean.y[area.slices], clean.u[half], clean.v[half]
            picture = picture_from_planes(planes, self._bit_depth, pts=frame.index, time_base=_FRAME_CLOCK)
            container.mux(stream.encode(picture))

    def _open(self, box: Box) -> tuple[av.container.OutputContainer, VideoStream]:
        path = self._directory / f"patches-{len(self.streams):03d}.mkv"
        container = av.open(path, "w", format="matroska")
        stream = container.add_stream("ffv1", rate=1000, options={"level": "3"})
        assert isinstance(stream, VideoStream)
        stream.codec_context.width, stream.codec_context.height = box.width, box.height
        stream.codec_context.pix_fmt = pixel_format(self._bit_depth)
        stream.codec_context.time_base = _FRAME_CLOCK
        self.streams.append(PatchStream(box, path))
        return container, stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for container, stream in self._outputs.values():
            try:
                if kind is None:
                    container.mux(stream.encode(None))
            finally:
                container.close()


def patched(frames: Iterable[Frame], streams: Iterable[PatchStream], bit_depth: int) -> Iterator[Frame]:
    """Yield ``frames`` with the patches of their index laid over them; the others pass through untouched."""
    readers = [_PatchReader(stream, bit_depth) for stream in streams]
    try:
        for frame in frames:
            patches = [patch for reader in readers if (patch := reader.at(frame.index)) is not None]
            yield apply_patches(frame, patches)
    finally:
        for reader in readers:
            reader.close()


def apply_patches(frame: Frame, patches: Iterable[Patch]) -> Frame:
    """Return ``frame`` with ``patches`` laid over it, as a copy where there is any."""
    patches = list(patches)
    if not patches:
        return frame
    y, u, v = frame.y.copy(), frame.u.copy(), frame.v.copy()
    for patch in patches:
        box = patch.box
        y[box.y0 : box.y1, box.x0 : box.x1] = patch.y
        rows = slice(box.y0 // 2, box.y0 // 2 + patch.u.shape[0])
        columns = slice(box.x0 // 2, box.x0 // 2 + patch.u.shape[1])
        u[rows, columns] = patch.u
        v[rows, columns] = patch.v
    return replace(frame, y=y, u=u, v=v)


class _PatchReader:
    """Gives the patch of a frame, or None, for frame indices that increase."""

    def __init__(self, stream: PatchStream, bit_depth: int) -> None:
        self._box = stream.box
        self._bit_depth = bit_depth
        self._container = av.open(stream.path)
        self._pictures = self._container.decode(video=0)
        self._next: VideoFrame | None = next(self._pictures, None)

    def at(self, frame_index: int) -> Patch | None:
        while self._next is not None and self._index(self._next) < frame_index:
            self._next = next(self._pictures, None)
        if self._next is None or self._index(self._next) != frame_index:
            return None
        y, u, v = plane_arrays(self._next, self._bit_depth)
        return Patch(box=self._box, y=y, u=u, v=v)

    @staticmethod
    def _index(picture: VideoFrame) -> int:
        assert picture.pts is not None
        assert picture.time_base is not None
        return round(picture.pts * picture.time_base / _FRAME_CLOCK)

    def close(self) -> None:
        self._container.close()
