"""When a mark stands at a place: spans of frames, from how much of it is seen in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Frames over which the gain is levelled, by its median: what moves behind a faint mark comes and goes in it.
_LEVELLED_FRAMES = 5
#: A mark is there above this share of its usual gain, and before and after for as long as it keeps above the second
#: one: over a picture of its own colour less of it is seen. Where it fades in or out, down to the third.
_PRESENT_SHARE, _STILL_SHARE = 0.45, 0.25
_FADING_SHARE = 0.12
#: The longest fade, in seconds, and the longest gap that is none, and the shortest stay that is one.
_MAX_FADE_SECONDS = 1.0
_MAX_GAP_SECONDS = 0.15
_MIN_STAY_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Stay:
    """Frames from ``start`` to ``end`` (exclusive) in which a mark stands at one place."""

    start: int
    end: int


def stays_of(
    gains: Sequence[float] | NDArray[np.float32], first_frame: int, usual: float, frame_rate: float
) -> list[Stay]:
    """Return when a mark is there.

    Args:
        gains: of each frame from ``first_frame``.
        first_frame: index of the first one.
        usual: the gain of the mark in full.
        frame_rate: frames per second.
    """
    raw = np.asarray(gains, dtype=np.float32)
    level = _levelled(raw)
    present = _closed(level >= _STILL_SHARE * usual, max(1, round(_MAX_GAP_SECONDS * frame_rate)))
    longest_fade = max(1, round(_MAX_FADE_SECONDS * frame_rate))
    shortest = max(2, round(_MIN_STAY_SECONDS * frame_rate))
    stays: list[Stay] = []
    for start, end in runs(present):
        if end - start < min(shortest, len(raw)) or level[start:end].max() < _PRESENT_SHARE * usual:
            continue
        begin = _fade_end(raw, start, -1, longest_fade, usual)
        finish = _fade_end(raw, end - 1, 1, longest_fade, usual) + 1
        if stays and begin + first_frame <= stays[-1].end:
            begin = stays.pop().start - first_frame
        stays.append(Stay(first_frame + begin, first_frame + finish))
    return stays


def _levelled(gains: NDArray[np.float32]) -> NDArray[np.float32]:
    half = _LEVELLED_FRAMES // 2
    padded = np.pad(gains, half, mode="edge")
    return np.asarray(
        np.median(np.lib.stride_tricks.sliding_window_view(padded, _LEVELLED_FRAMES), axis=1), dtype=np.float32
    )


def _closed(present: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Return ``present`` with gaps of up to ``longest`` frames filled."""
    filled = present.copy()
    for start, end in runs(~present):
        if start > 0 and end < len(present) and end - start <= longest:
            filled[start:end] = True
    return filled


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where flags are set without a gap: first positions and ends, exclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _fade_end(gains: NDArray[np.float32], start: int, step: int, longest: int, usual: float) -> int:
    """Return the last frame, from ``start`` in the direction of ``step``, in which a trace of a fading mark is left.

    A fade falls from frame to frame; what stays at a level is something else.
    """
    position = start
    for _ in range(longest):
        following = position + step
        if not 0 <= following < len(gains):
            break
        traces = gains[following] >= _FADING_SHARE * usual
        if not traces or gains[following] > gains[position] + _FADING_SHARE * usual:
            break
        position = following
    return position
