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
    first, *further = _cuts(detection)
    starts = [first]
    if detection.seekable and detection.duration_seconds >= 1.5 * target_seconds:
        ticks = target_seconds / float(detection.seconds_per_tick)
        end_pts = detection.first_pts + detection.duration_seconds / float(detection.seconds_per_tick)
        for cut in further:
            # A remainder under half a target is not worth a machine of its own.
            if cut.pts - starts[-1].pts >= ticks and end_pts - cut.pts >= ticks / 2:
                starts.append(cut)
    return Plan(segments=_between(starts, detection.frame_count))


def _cuts(detection: Detection) -> list[_Cut]:
    cuts = [_Cut(shot.start_frame, shot.start_pts, 0, shot.start_pts) for shot in detection.shots]
    cuts += [_Cut(found.frame, found.pts, found.lead_frames, found.lead_pts) for found in detection.renewals]
    return sorted(cuts, key=lambda cut: cut.frame)


def _between(starts: list[_Cut], frame_count: int) -> tuple[Segment, ...]:
    following: list[_Cut | None] = [*starts[1:], None]
    return tuple(
        Segment(
            index=index,
            start_frame=start.frame,
            end_frame=end.frame if end else frame_count,
            start_pts=start.pts,
            end_pts=end.pts if end else None,
            lead_frames=start.lead_frames,
            lead_pts=start.lead_pts if start.lead_frames else None,
            tail_frames=LEND_FRAMES if end and end.lead_frames else 0,
        )
        for index, (start, end) in enumerate(zip(starts, following, strict=True))
    )
