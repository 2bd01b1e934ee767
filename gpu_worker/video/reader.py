"""Decodes the source, or one piece of it, as a stream of frames with sound timestamps: the entrance of every stage."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from domain.errors import UnreadableVideoError
from domain.work_order import Segment
from gpu_worker.video.frame import Frame
from gpu_worker.video.pixels import PlaneReader
from gpu_worker.video.source import (
    MediaPacket,
    VideoFacts,
    open_source,
    packets_until_damage,
    pictures_of,
)
from media.container import main_video_stream

#: A step back by more than this is a new timeline (spliced broadcast), not two frames out of order.
_DISCONTINUITY_SECONDS = 1
#: How far before a piece to look for its keyframe, when the nearest one does not lead to it.
_SEEK_MARGINS_SECONDS = (0, 10, 60)


@dataclass(slots=True)
class DecodeReport:
    """What had to be mended while decoding; complete when the frames are exhausted."""

    frames: int = 0
    damaged_packets: int = 0
    repaired_timestamps: int = 0
    resized_frames: int = 0

    @property
    def is_sound(self) -> bool:
        """Tell whether a second decode from a keyframe can be relied on to give the same frames."""
        return self.damaged_packets == 0 and self.repaired_timestamps == 0


@dataclass(slots=True)
class Timestamps:
    """Makes presentation timestamps strictly increasing, in ticks of ``time_base``.

    A missing pts continues at the nominal rate. One that does not increase is moved to one tick after its predecessor.
    A jump back by more than a second starts a new timeline, which is appended at the nominal rate.
    """

    time_base: Fraction
    frame_rate: Fraction
    repaired: int = 0
    _last: int | None = None
    _offset: int = 0

    def next(self, pts: int | None) -> int:
        """Return the repaired pts of the next frame in presentation order."""
        step = max(1, round(1 / (self.frame_rate * self.time_base)))
        if self._last is None:
            self.repaired += pts is None
            self._last = 0 if pts is None else pts
            return self._last
        if pts is None:
            value = self._last + step
        else:
            value = pts + self._offset
            if (self._last - value) * self.time_base > _DISCONTINUITY_SECONDS:
                self._offset += self._last + step - value
                value = self._last + step
        if value <= self._last:
            value = self._last + 1
        self.repaired += pts is None or value != pts
        self._last = value
        return value


@dataclass(slots=True)
class FrameReader:
    """Streams the frames of one file, whole or a segment.

    Damaged parts are left out, as in a player; sizes that change on the way are scaled to the first.
    """

    path: Path
    facts: VideoFacts
    report: DecodeReport = field(default_factory=DecodeReport)

    def frames(self) -> Iterator[Frame]:
        """Yield every frame of the video in presentation order, ``index`` from 0.

        Raises:
            UnreadableVideoError: when not one frame can be decoded.
        """
        with open_source(self.path) as container:
            stream = main_video_stream(container)
            stream.thread_type = "AUTO"
            stamps = Timestamps(self.facts.time_base, self.facts.frame_rate)
            planes = PlaneReader(self.facts)
            for picture in self._pictures(container, stream):
                pts = stamps.next(picture.pts)
                self.report.repaired_timestamps = stamps.repaired
                yield self._frame(planes, picture, self.report.frames, pts)
                self.report.frames += 1
        if self.report.frames == 0:
            raise UnreadableVideoError(f"{self.path.name}: not one frame of the video stream can be decoded")

    def segment(self, segment: Segment, before: int = 0, behind: int = 0) -> Iterator[Frame]:
        """Yield the frames of one segment, found by its pts; ``index`` counts from the start of the video.

        ``before`` frames of its lead come first, and up to ``behind`` follow it, as far as the video has any.

        Raises:
            UnreadableVideoError: when a second decode does not give the frames that detect saw.
        """
        frames = self._from_lead(segment)
        count = 0
        try:
            for frame in frames:
                if frame.index == segment.end_frame and segment.end_pts not in (None, frame.pts):
                    raise self._other_frames()
                if frame.index >= segment.end_frame + behind:
                    return
                count += segment.start_frame <= frame.index < segment.end_frame
                if frame.index >= segment.start_frame - before:
                    yield frame
        finally:
            frames.close()
        # From the start of the file the count of frames decides: it holds with repaired timestamps, too.
        if segment.start_frame and count != segment.end_frame - segment.start_frame:
            raise self._other_frames()

    def _other_frames(self) -> UnreadableVideoError:
        return UnreadableVideoError(f"{self.path.name}: decodes to other frames when entered at a keyframe")

    def _from_lead(self, segment: Segment) -> Generator[Frame]:
        if segment.start_frame == 0:
            yield from self.frames()
            return
        index = segment.start_frame - segment.lead_frames
        pts = segment.start_pts if segment.lead_pts is None else segment.lead_pts
        for frames in self._entries(index, pts):
            first = next(frames, None)
            if first is not None and first.pts == pts:
                break
        else:
            raise UnreadableVideoError(f"{self.path.name}: no frame is found at pts {pts}")
        yield first
        for frame in frames:
            if frame.index == segment.start_frame and frame.pts != segment.start_pts:
                raise self._other_frames()
            yield frame

    def _entries(self, index: int, pts: int) -> Iterator[Iterator[Frame]]:
        """Yield ways to the frame ``index``, which has this pts; the last and slowest one is from the front."""
        for margin in _SEEK_MARGINS_SECONDS:
            yield self._from_keyframe(index, pts, margin)
        yield (frame for frame in self.frames() if frame.index >= index)

    def _from_keyframe(self, index: int, pts: int, margin_seconds: int) -> Iterator[Frame]:
        """Yield the frames from ``pts`` on, numbered from ``index``."""
        planes = PlaneReader(self.facts)
        with open_source(self.path) as container:
            stream = main_video_stream(container)
            stream.thread_type = "AUTO"
            margin = round(margin_seconds / self.facts.time_base)
            container.seek(pts - margin, stream=stream, backward=True)
            for picture in self._pictures(container, stream):
                if picture.pts is None or picture.pts < pts:
                    continue
                yield self._frame(planes, picture, index, picture.pts)
                index += 1

    def _pictures(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        for packet in packets_until_damage(container, stream):
            yield from self._decoded(packet)

    def _decoded(self, packet: MediaPacket) -> list[VideoFrame]:
        try:
            return pictures_of(packet)
        except FFmpegError:
            self.report.damaged_packets += 1
            return []

    def _frame(self, planes: PlaneReader, picture: VideoFrame, index: int, pts: int) -> Frame:
        if (picture.width, picture.height) != (self.facts.width, self.facts.height):
            self.report.resized_frames += 1
        y, u, v = planes.planes(picture)
        return Frame(
            index=index,
            pts=pts,
            time_base=self.facts.time_base,
            y=y,
            u=u,
            v=v,
            bit_depth=self.facts.bit_depth,
            interlaced=picture.interlaced_frame,
        )
