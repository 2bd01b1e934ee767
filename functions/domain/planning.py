"""Cuts a video into pieces for PlanSegments: at shot cuts, and where the fill starts anew within a long shot."""

from __future__ import annotations

from dataclasses import dataclass

from domain.detection import Detection
from domain.renewals import LEND_FRAMES
from domain.work_order import Plan, Segment

TARGET_SEGMENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where a piece may begin; ``lead_frames`` is 0 at a shot's start."""

    frame: int
    pts: int
    lead_frames: int
    lead_pts: int


def plan_segments(detection: Detection, target_seconds: float = TARGET_SEGMENT_SECONDS) -> Plan:
    """Group shots, and parts of long ones, into pieces of at least ``target_seconds``, the last one excepted.

    A video that cannot be entered at a pts (``seekable`` false), or that is shorter than one and a half targets, stays
    one piece.
    """
    starts = _cuts(detection)
    if detection.seekable and detection.duration_seconds >= 1.5 * target_seconds:
        starts = _spaced(starts, detection, detection.frame_count, target_seconds)
    else:
        del starts[1:]
    return Plan(segments=_between(starts, (detection.frame_count, None, 0)))


def parts_of(segment: Segment, detection: Detection, least_seconds: float) -> tuple[Segment, ...]:
    """Return a piece in parts of at least ``least_seconds``, the last one excepted, numbered from 0.

    They begin where pieces may, so each can be done without the others. A video that cannot be entered at a pts has
    one part.
    """
    starts = [cut for cut in _cuts(detection) if segment.start_frame <= cut.frame < segment.end_frame]
    if detection.seekable:
        starts = _spaced(starts, detection, segment.end_frame, least_seconds)
    else:
        del starts[1:]
    return _between(starts, (segment.end_frame, segment.end_pts, segment.tail_frames))


def _cuts(detection: Detection) -> list[_Cut]:
    cuts = [_Cut(shot.start_frame, shot.start_pts, 0, shot.start_pts) for shot in detection.shots]
    cuts += [_Cut(found.frame, found.pts, found.lead_frames, found.lead_pts) for found in detection.renewals]
    return sorted(cuts, key=lambda cut: cut.frame)


def _spaced(cuts: list[_Cut], detection: Detection, end_frame: int, least_seconds: float) -> list[_Cut]:
    """Return the first cut and those that are far enough behind the one before and from the end."""
    first, *further = cuts
    spaced = [first]
    ticks = least_seconds / float(detection.seconds_per_tick)
    end_pts = detection.first_pts + detection.about_seconds(end_frame) / float(detection.seconds_per_tick)
    for cut in further:
        # A remainder under half of it is not worth a machine of its own.
        if cut.pts - spaced[-1].pts >= ticks and end_pts - cut.pts >= ticks / 2:
            spaced.append(cut)
    return spaced


def _between(starts: list[_Cut], end: tuple[int, int | None, int]) -> tuple[Segment, ...]:
    """Return the pieces that begin at ``starts``; ``end`` has the last one's end frame, end pts and tail."""
    ends = [(cut.frame, cut.pts, LEND_FRAMES if cut.lead_frames else 0) for cut in starts[1:]]
    return tuple(
        Segment(
            index=index,
            start_frame=start.frame,
            end_frame=end_frame,
            start_pts=start.pts,
            end_pts=end_pts,
            lead_frames=start.lead_frames,
            lead_pts=start.lead_pts if start.lead_frames else None,
            tail_frames=tail_frames,
        )
        for index, (start, (end_frame, end_pts, tail_frames)) in enumerate(zip(starts, [*ends, end], strict=True))
    )
