"""Where the fill starts anew within a long shot, so that a piece may begin there: one rule for every run of a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from domain.detection import Renewal, Shot

#: Frames on each side of an overlay's life that lend their pixels: one shows all, a few outvote its noise.
LEND_FRAMES = 3
#: Where an overlay stands all through a shot, the new fill works beside the old one for so many frames before it is
#: seen: what motion reveals, and what is made up and held, has settled by then.
WARM_UP_FRAMES = 64
#: Over the last so many of these, the picture goes from the old fill to the new one, so that nothing pops.
BLEND_FRAMES = 24
#: The last frames before a renewal that show the new fill alone: a deinterlacer looks as far beyond a piece.
SETTLED_FRAMES = 1
#: Without an overlay on screen a renewal costs nothing: often enough that pieces come out at about their target.
_OFTEN_SECONDS = 2.0
#: After so long an overlay is not waited for any more.
_LATEST_SECONDS = 60.0
#: But this share longer, if it goes by itself then.
_PATIENCE = 1.5
#: What comes after a renewal is at least so long; before one that must warm up, it is this many times the warm-up.
_LEAST_WARM_UPS = 4


@dataclass(frozen=True, slots=True)
class RenewalFrame:
    """A renewal as it is found: which frame, and how many before it must be read to begin there."""

    frame: int
    lead_frames: int


@dataclass(frozen=True, slots=True)
class Span:
    """Frames between two renewals or cuts: ``start`` to ``stop`` are shown, the fill is at work from ``begin`` on.

    ``shot_start`` and ``shot_stop`` bound the shot it lies in, ``shot_stop`` None in the last one.
    """

    shot_start: int
    shot_stop: int | None
    begin: int
    start: int
    stop: int | None


def find_renewals(
    shots: Sequence[Shot],
    lives: Iterable[tuple[int, int]],
    frames_per_second: float,
    *,
    often_seconds: float = _OFTEN_SECONDS,
    latest_seconds: float = _LATEST_SECONDS,
) -> tuple[RenewalFrame, ...]:
    """Return the renewals of a video, in order; none in a shot that is shorter than two renewals are apart.

    The first frame far enough behind the last renewal that has no overlay within ``LEND_FRAMES`` is one. Where there is
    none for long, a frame is one all the same, with a warm-up before it.

    Args:
        shots: of the whole video.
        lives: frames from which and to which (exclusive) each overlay is on screen.
        frames_per_second: the video's true rate in the mean.
        often_seconds: how far apart renewals are at least.
        latest_seconds: after how long one comes whether or not an overlay is on screen.
    """
    often = max(2 * LEND_FRAMES, round(often_seconds * frames_per_second))
    latest = max(_LEAST_WARM_UPS * WARM_UP_FRAMES, round(latest_seconds * frames_per_second))
    busy = merged(lives)
    return tuple(renewal for shot in shots for renewal in _in_shot(shot, busy, often, latest))


def _in_shot(shot: Shot, busy: Sequence[tuple[int, int]], often: int, latest: int) -> Iterator[RenewalFrame]:
    last = shot.start_frame
    while True:
        clear = _first_clear(last + often, busy)
        if clear <= min(last + _PATIENCE * latest, shot.end_frame - often):
            renewal = RenewalFrame(clear, LEND_FRAMES)
        elif last + latest + latest // 2 <= min(clear, shot.end_frame):
            renewal = RenewalFrame(last + latest, LEND_FRAMES + WARM_UP_FRAMES)
        else:
            return
        yield renewal
        last = renewal.frame


def _first_clear(frame: int, busy: Sequence[tuple[int, int]]) -> int:
    """Return the first frame from ``frame`` on that has no overlay within ``LEND_FRAMES`` before and behind it."""
    for start, end in busy:
        if start - LEND_FRAMES < frame < end + LEND_FRAMES:
            frame = end + LEND_FRAMES
    return frame


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans (start, exclusive end) in order and apart: those that touch or overlap are one."""
    apart: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if apart and start <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end))
        else:
            apart.append((start, end))
    return apart


def spans_of(shots: Iterable[Shot], renewals: Iterable[Renewal | RenewalFrame]) -> tuple[Span, ...]:
    """Return the spans of a video, in order; what lies before the first shot belongs to one of its own."""
    walls = sorted({0, *(shot.start_frame for shot in shots)})
    begins = dict.fromkeys(walls, 0) | {renewal.frame: renewal.lead_frames for renewal in renewals}
    starts = sorted(begins)
    spans = []
    for number, start in enumerate(starts):
        shot_start = max(wall for wall in walls if wall <= start)
        shot_stop = min((wall for wall in walls if wall > start), default=None)
        stop = starts[number + 1] if number + 1 < len(starts) else None
        begin = start - max(0, begins[start] - LEND_FRAMES)
        spans.append(Span(shot_start, shot_stop, begin, start, stop))
    return tuple(spans)
