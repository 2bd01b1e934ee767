"""Cuts a video into pieces for PlanSegments: only at shot cuts, so that no piece needs a pixel of another."""

from __future__ import annotations

from domain.detection import Detection, Shot
from domain.work_order import Plan, Segment

TARGET_SEGMENT_SECONDS = 60.0


def plan_segments(detection: Detection, target_seconds: float = TARGET_SEGMENT_SECONDS) -> Plan:
    """Group whole shots into pieces of at least ``target_seconds``, the last one excepted.

    A video that cannot be entered at a pts (``seekable`` false), or that is shorter than one and a half targets, stays
    one piece.
    """
    starts = [detection.shots[0]]
    if detection.seekable and detection.duration_seconds >= 1.5 * target_seconds:
        ticks = target_seconds / float(detection.seconds_per_tick)
        end_pts = detection.first_pts + detection.duration_seconds / float(detection.seconds_per_tick)
        for shot in detection.shots[1:]:
            # A remainder under half a target is not worth a machine of its own.
            if shot.start_pts - starts[-1].start_pts >= ticks and end_pts - shot.start_pts >= ticks / 2:
                starts.append(shot)
    return Plan(segments=_between(starts, detection.frame_count))


def _between(starts: list[Shot], frame_count: int) -> tuple[Segment, ...]:
    following: list[Shot | None] = [*starts[1:], None]
    return tuple(
        Segment(
            index=index,
            start_frame=start.start_frame,
            end_frame=end.start_frame if end else frame_count,
            start_pts=start.start_pts,
            end_pts=end.start_pts if end else None,
        )
        for index, (start, end) in enumerate(zip(starts, following, strict=True))
    )
