"""Joins the encoded pieces by packet copy and brings everything else of the source along: the last step of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream

from gpu_worker.video.source import MediaPacket, VideoFacts, open_source, packets_until_damage
from gpu_worker.video.timeline import decoding_times
from gpu_worker.video.tracks import CopiedTrack, ReencodedAudio, Track, add_track, earliest_start, mp4_takes
from media.container import main_video_stream

#: Tags that describe the old file, not its content.
_FILE_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})
_VIDEO_TAGS = ("language", "title", "handler_name")
#: What FFmpeg gives a track at least; edit lists are written on the clock of the whole file, which is 1000 untold.
_LEAST_CLOCK_RATE = 10_000


@dataclass(frozen=True, slots=True)
class Piece:
    """One encoded piece: its file, whose pts start at 0, and where that is on the source's clock."""

    path: Path
    start_pts: int


@dataclass(slots=True)
class RemuxReport:
    """What became of the source's tracks. ``warnings`` are sentences for the user; seconds from the first frame."""

    video_packets: int = 0
    video_bytes: int = 0
    duration_seconds: float = 0.0
    audio_tracks: int = 0
    subtitle_tracks: int = 0
    warnings: tuple[str, ...] = ()


def join_pieces(
    pieces: Sequence[Piece],
    source: Path,
    facts: VideoFacts,
    output: Path,
    *,
    scale: int = 1,
    on_packet: Callable[[int], None] = lambda _: None,
) -> RemuxReport:
    """Write ``output`` (MP4, faststart): the pieces' video, the source's audio, subtitles, chapters and tags.

    ``scale`` is by how much the pieces are larger than the source. ``on_packet`` is told the number of video packets
    written. Raises RuntimeError where the pieces were not encoded alike.
    """
    with (
        open_source(source) as container,
        av.open(pieces[0].path) as first,
        av.open(output, "w", format="mp4", container_options=_mp4_options(facts.time_base)) as out,
    ):
        shift = earliest_start(container)
        template = first.streams.video[0]
        target = out.add_stream_from_template(template, opaque=True)
        target.time_base = facts.time_base
        if facts.display_matrix is not None:
            target.set_display_matrix(_scaled_matrix(facts.display_matrix, scale))
        packets = _joined(pieces, target, facts, shift, template.codec_context.extradata)
        return _write(container, out, (target, packets), shift, on_packet)


def pass_through(
    source: Path, facts: VideoFacts, output: Path, on_packet: Callable[[int], None] = lambda _: None
) -> RemuxReport:
    """Write ``output`` (MP4, faststart) with the source's own video packets: for a job that found nothing to change."""
    with (
        open_source(source) as container,
        open_source(source) as pictures,
        av.open(output, "w", format="mp4", container_options=_mp4_options(facts.time_base)) as out,
    ):
        shift = earliest_start(container)
        stream = main_video_stream(pictures)
        target = out.add_stream_from_template(stream, opaque=True)
        track = CopiedTrack(target, shift)
        packets = (copy for packet in packets_until_damage(pictures, stream) for copy in track.convert(packet))
        return _write(container, out, (target, packets), shift, on_packet)


def can_pass_through(source: Path, facts: VideoFacts) -> bool:
    """Tell whether the source's own video stream may stand in the result.

    FFmpeg puts nearly anything into MP4, but a user who gives no MP4 is promised one that players take: H.264.
    """
    if facts.container != "mp4" and facts.codec != "h264":
        return False
    with open_source(source) as container:
        return mp4_takes(main_video_stream(container))


def _mp4_options(time_base: Fraction) -> dict[str, str]:
    clock_rate = time_base.denominator
    while clock_rate < _LEAST_CLOCK_RATE:
        clock_rate *= 2
    # The index goes before the data, so that a browser can play while it loads.
    return {"movflags": "+faststart", "movie_timescale": str(clock_rate)}


def _joined(
    pieces: Sequence[Piece], target: VideoStream, facts: VideoFacts, shift: Fraction, extradata: bytes | None
) -> Iterator[MediaPacket]:
    """Yield the pieces' packets in decoding order on one clock, in ticks of the source's time base."""
    time_base = facts.time_base
    offset = round(shift / time_base)
    decoding_order = [
        piece.start_pts - offset + relative for piece in pieces for relative in _relative_pts(piece.path, time_base)
    ]
    step = max(1, round(1 / (facts.frame_rate * time_base)))
    times = iter(zip(decoding_order, decoding_times(decoding_order, step), strict=True))
    ordered = sorted(decoding_order)
    durations = {pts: following - pts for pts, following in pairwise(ordered)}
    for piece in pieces:
        with av.open(piece.path) as container:
            stream = container.streams.video[0]
            if stream.codec_context.extradata != extradata:
                raise RuntimeError(f"{piece.path.name} was encoded with other parameters than the first piece")
            for packet in container.demux(stream):
                if packet.dts is None:
                    continue
                packet.pts, packet.dts = next(times)
                packet.time_base = time_base
                packet.duration = durations.get(packet.pts, step)
                packet.stream = target
                yield packet


def _relative_pts(path: Path, time_base: Fraction) -> list[int]:
    with av.open(path) as container:
        return [
            # MP4 may have refined the clock; in our ticks the value is whole again.
            round(packet.pts * packet.time_base / time_base)
            for packet in container.demux(video=0)
            if packet.pts is not None
        ]


def _scaled_matrix(matrix: tuple[int, ...], scale: int) -> list[int]:
    scaled = list(matrix)
    scaled[6] *= scale  # the matrix's translation is in pixels
    scaled[7] *= scale
    return scaled


def _write(
    container: InputContainer,
    out: OutputContainer,
    video: tuple[VideoStream, Iterator[MediaPacket]],
    shift: Fraction,
    on_packet: Callable[[int], None],
) -> RemuxReport:
    target, pictures = video
    main = main_video_stream(container)
    target.metadata.update({tag: main.metadata[tag] for tag in _VIDEO_TAGS if tag in main.metadata})
    target.disposition = main.disposition
    out.metadata.update({tag: text for tag, text in container.metadata.items() if tag.lower() not in _FILE_TAGS})
    _carry_chapters(container, out, shift)
    companions = _Companions(container, out, shift, main)
    report = RemuxReport(audio_tracks=companions.count("audio"), subtitle_tracks=companions.count("subtitle"))
    first_seconds: Fraction | None = None
    end_seconds = Fraction(0)
    for packet, is_video in _interleaved(pictures, companions.packets()):
        if not is_video:
            companions.mux(packet)
            continue
        report.video_packets += 1
        report.video_bytes += packet.size
        if packet.pts is not None:
            start = packet.pts * packet.time_base
            first_seconds = start if first_seconds is None else min(first_seconds, start)
            end_seconds = max(end_seconds, start + (packet.duration or 0) * packet.time_base)
        out.mux(packet)
        on_packet(report.video_packets)
    report.duration_seconds = float(end_seconds - (first_seconds or 0))
    report.warnings = companions.warnings()
    return report


def _carry_chapters(container: InputContainer, out: OutputContainer, shift: Fraction) -> None:
    chapters = container.chapters()
    for chapter in chapters:
        if chapter["time_base"] is not None:
            offset = round(shift / chapter["time_base"])
            chapter["start"] -= offset
            chapter["end"] -= offset
    if chapters:
        out.set_chapters(chapters)


def _interleaved(video: Iterator[MediaPacket], others: Iterator[MediaPacket]) -> Iterator[tuple[MediaPacket, bool]]:
    """Merge by decoding time, so that the muxer has to hold back next to nothing, however long the video is."""
    picture, other = next(video, None), next(others, None)
    while picture is not None or other is not None:
        if other is None or (picture is not None and _seconds(picture) <= _seconds(other)):
            assert picture is not None
            yield picture, True
            picture = next(video, None)
        else:
            yield other, False
            other = next(others, None)


def _seconds(packet: MediaPacket) -> Fraction:
    return (packet.dts or 0) * packet.time_base


class _Companions:
    """The tracks beside the picture."""

    def __init__(self, container: InputContainer, out: OutputContainer, shift: Fraction, main: Stream) -> None:
        self._container = container
        self._out = out
        self._tracks: dict[int, tuple[Stream, Track]] = {}
        self._notes: list[str] = []
        self._refused: dict[int, int] = {}
        for stream in container.streams:
            if stream.index == main.index:
                continue
            track, note = add_track(out, stream, shift)
            if track is not None:
                self._tracks[stream.index] = (stream, track)
            if note is not None:
                self._notes.append(note)

    def count(self, kind: str) -> int:
        return sum(stream.type == kind for stream, _ in self._tracks.values())

    def packets(self) -> Iterator[MediaPacket]:
        if not self._tracks:
            return
        streams = [stream for stream, _ in self._tracks.values()]
        for packet in packets_until_damage(self._container, *streams):
            yield from self._tracks[packet.stream.index][1].convert(packet)
        for _, track in self._tracks.values():
            yield from track.finish()

    def mux(self, packet: MediaPacket) -> None:
        """Write one packet; one that the muxer refuses is a hole in that track, not the end of the job."""
        try:
            self._out.mux(packet)
        except FFmpegError:
            index = packet.stream.index
            self._refused[index] = self._refused.get(index, 0) + 1

    def warnings(self) -> tuple[str, ...]:
        damaged = [
            f"{stream.type} stream {stream.index}: {track.damaged} damaged packets were left out"
            for stream, track in self._tracks.values()
            if isinstance(track, ReencodedAudio) and track.damaged
        ]
        refused = [
            f"output stream {index}: {count} damaged packets were left out" for index, count in self._refused.items()
        ]
        return (*self._notes, *damaged, *refused)
