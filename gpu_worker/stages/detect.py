"""The detect stage: decodes the whole video and writes ``detection.json``: shots, and what is to be found in it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from domain.detection import Detection, Renewal
from domain.job import CaptionErasure, IconErasure, Stage
from domain.renewals import find_renewals
from gpu_worker.icons.library import library_entry, platform_marks
from gpu_worker.stages.icon_scope import icons_without_kept, whole_icons
from gpu_worker.stages.job import Finder, IconsFinder, Progress, StageJob, StageRecord
from gpu_worker.stages.lookahead import run_ahead
from gpu_worker.stages.scope import before_mirror, in_order, whole_regions, without_kept
from gpu_worker.video.frame import Frame
from gpu_worker.video.reader import DecodeReport, FrameReader
from gpu_worker.video.shots import ShotFinder
from gpu_worker.video.source import VideoFacts, probe_video

_DECODED_AHEAD = 8
#: Containers that can only be read from the front, or whose pts start anew, are one piece.
_UNSEEKABLE_CONTAINERS = frozenset({"ts", "mpg", "wtv", "ogg"})


def detect(job: StageJob) -> None:
    """Write the detection, unless it is there.

    Raises:
        BadSourceError: one of its subclasses, when the file has no picture to show.
        InvalidRequestError: when regions that are to be erased altogether cover the picture.
        InvalidIconError, UnsafeIconError, UnsupportedIconFormatError: when a picture of the icon library is none.
    """
    keys = job.workspace.keys
    if job.workspace.exists(keys.detection):
        return
    path = job.workspace.source(job.order.source)
    facts = probe_video(path)
    reader = FrameReader(path, facts)
    progress = Progress(job, Stage.DETECT, 0, round((facts.duration_seconds or 0) * facts.frame_rate))
    detection = _detected(job, facts, reader, progress)
    job.leave_record(
        StageRecord(
            stage=Stage.DETECT,
            seconds=progress.seconds,
            frames=detection.frame_count,
            warnings=_warnings(reader.report, facts),
        )
    )
    job.workspace.write(keys.detection, detection.model_dump_json().encode())
    progress.finish(detection.frame_count)


def _detected(job: StageJob, facts: VideoFacts, reader: FrameReader, progress: Progress) -> Detection:
    settings = None if job.order.erase is None else job.order.erase.captions
    icons = None if job.order.erase is None else job.order.erase.icons
    finder = None if settings is None or settings.erase_everything else _finder(job, facts, settings)
    icon_finder = None if icons is None or icons.erase_everything else _icon_finder(job, icons, reader, progress)
    clock, pts = array("d"), array("q")
    shots = ShotFinder(facts.width, facts.height)
    for frame in run_ahead(reader.frames(), _DECODED_AHEAD):
        pts.append(frame.pts)
        shots.process_frame(frame)
        clock.append(float((frame.pts - pts[0]) * facts.time_base))
        if finder is not None:
            finder.process_frame(frame, clock[-1])
        if icon_finder is not None:
            icon_finder.process_frame(frame, clock[-1])
        progress.advance_to(frame.index + 1)
    duration_seconds = float((pts[-1] - pts[0]) * facts.time_base + 1 / facts.frame_rate)
    found_shots = shots.flush()
    found = [(finder.flush(), settings.keep)] if finder is not None and settings is not None else []
    if settings is not None and settings.erase_everything:
        found.append((whole_regions(settings.regions, found_shots, facts, clock, duration_seconds), settings.keep))
    tracks = icon_finder.flush() if icon_finder is not None else ()
    if icons is not None and icons.erase_everything:
        tracks = whole_icons(whole_regions(icons.regions, found_shots, facts, clock, duration_seconds), icons.kinds)
    captions = in_order(event for events, keep in found for event in without_kept(events, keep, facts, clock))
    tracks = () if icons is None else icons_without_kept(tracks, icons.keep, facts, clock)
    lives = [(caption.start_frame, caption.end_frame) for caption in captions]
    lives += [(place.start_frame, place.end_frame) for track in tracks for place in track.places]
    return Detection(
        frame_count=reader.report.frames,
        time_base=str(facts.time_base),
        first_pts=pts[0],
        duration_seconds=duration_seconds,
        seekable=reader.report.is_sound and facts.container not in _UNSEEKABLE_CONTAINERS,
        shots=found_shots,
        renewals=tuple(
            Renewal(
                frame=found.frame,
                pts=pts[found.frame],
                lead_frames=found.lead_frames,
                lead_pts=pts[found.frame - found.lead_frames],
            )
            for found in find_renewals(found_shots, lives, reader.report.frames / duration_seconds)
        ),
        captions=captions,
        icons=tracks,
    )


def _finder(job: StageJob, facts: VideoFacts, settings: CaptionErasure) -> Finder:
    # The finder knows turns, not mirrors.
    regions, keep = (
        tuple(before_mirror(region, facts) for region in given) for given in (settings.regions, settings.keep)
    )
    return job.open_finder(facts, settings.model_copy(update={"regions": regions, "keep": keep}), job.device)


def _icon_finder(job: StageJob, settings: IconErasure, reader: FrameReader, progress: Progress) -> IconsFinder:
    facts = reader.facts

    def again() -> Iterator[Frame]:
        # A reader of its own: what had to be mended is counted once.
        for frame in run_ahead(FrameReader(reader.path, facts).frames(), _DECODED_AHEAD):
            progress.go_on()
            yield frame

    own = tuple(
        library_entry(icon.name, icon.kind, job.workspace.source(icon.picture).read_bytes())
        for icon in job.order.icon_library
    )
    # A tenant's own icon comes before the built-in one that it is like: its picture may be in colour.
    return job.open_icon_finder(facts, settings, again, own + platform_marks())


def _warnings(report: DecodeReport, facts: VideoFacts) -> tuple[str, ...]:
    warnings = []
    if report.damaged_packets:
        warnings.append(f"{report.damaged_packets} damaged packets of the video stream were left out")
    if report.repaired_timestamps:
        warnings.append(f"{report.repaired_timestamps} frames had no usable timestamp and were given one")
    if report.resized_frames:
        warnings.append(f"{report.resized_frames} frames of another size were scaled to {facts.width}x{facts.height}")
    if facts.has_alpha:
        warnings.append(f"the transparency of {facts.pixel_format} was dropped: H.264 has none")
    return tuple(warnings)
