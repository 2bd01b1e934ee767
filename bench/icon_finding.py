"""Scores what was found of drawn logos: whether, where and when, and how well the masks fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.captioned_clips import Mask
from bench.icon_clips import IconClip
from bench.metrics import MaskQuality, mask_quality
from domain.detection import Detection, IconTrack
from gpu_worker.fill.overlays import overlays_of

#: A track is the logo's if, over all frames, its masks and the true ones share this much of both together.
_SAME_LOGO = 0.3
#: A place is the true one's if its centre is this near, as a share of the mark's width.
_SAME_PLACE = 0.5


@dataclass(frozen=True, slots=True)
class Match:
    """How the tracks that were found fit one true one.

    ``best`` is the index of the track that fits best, None without any. ``overlap`` is the share of all pixels in its
    masks and the true ones, taken together, that lie in both (intersection over union, over all frames).
    ``frame_error`` is the largest number of frames by which the beginning or the end of a stay is off; None where
    nothing was found, or a stay was missed altogether.
    """

    best: int | None
    false_tracks: int
    overlap: float
    frame_error: int | None

    @property
    def is_found(self) -> bool:
        """Tell whether the track is the logo's."""
        return self.overlap > _SAME_LOGO


@dataclass(frozen=True, slots=True)
class IconFinding(Match):
    """What was found of one logo, and how well its masks fit."""

    mask: MaskQuality


def finding_of(clip: IconClip, detection: Detection) -> IconFinding:
    """Compare the tracks of a detection with the logo that was drawn."""
    truth = clip.masks()
    match = match_of(clip.track, truth, detection.icons)
    found = [np.zeros_like(mask) for mask in truth]
    if match.best is not None:
        found = track_masks(next(track for track in detection.icons if track.index == match.best), truth)
    mask = mask_quality(found, clip.opacity, truth)
    return IconFinding(match.best, match.false_tracks, match.overlap, match.frame_error, mask)


def match_of(true: IconTrack, like: Sequence[Mask], tracks: Sequence[IconTrack]) -> Match:
    """Compare some tracks with the true one; ``like`` has a mask (H, W) of the right size for each frame."""
    truth = track_masks(true, like)
    masks_of = {track.index: track_masks(track, truth) for track in tracks}
    overlaps = {index: _overlap(masks, truth) for index, masks in masks_of.items()}
    best = max(overlaps, key=lambda index: overlaps[index], default=None)
    # Pieces of one logo are no false alarms.
    false = sum(not any((m & t).any() for m, t in zip(masks, truth, strict=True)) for masks in masks_of.values())
    track = next((track for track in tracks if track.index == best), None)
    return Match(
        best=best,
        false_tracks=false,
        overlap=0.0 if best is None else overlaps[best],
        frame_error=None if track is None else _frame_error(true, track),
    )


def track_masks(track: IconTrack, like: Sequence[Mask]) -> list[Mask]:
    """Return each frame's mask (H, W) as a track has it; ``like`` has as many of the same size."""
    masks = [np.zeros_like(mask) for mask in like]
    for overlay in overlays_of((), (track,)):
        box = overlay.box
        for index in range(overlay.start_frame, min(overlay.end_frame, len(masks))):
            masks[index][box.y0 : box.y1, box.x0 : box.x1] |= overlay.mask
    return masks


def _overlap(found: Sequence[Mask], truth: Sequence[Mask]) -> float:
    shared = sum(int((mask & true).sum()) for mask, true in zip(found, truth, strict=True))
    either = sum(int((mask | true).sum()) for mask, true in zip(found, truth, strict=True))
    return shared / max(1, either)


def _frame_error(true: IconTrack, found: IconTrack) -> int | None:
    """Return the largest error of a stay's ends; of a mark that drifts, only its first and last frame count."""
    errors = []
    stays, other = _stays(true), _stays(found)
    for start, end, x, y, width in stays:
        same = [
            stay
            for stay in other
            if np.hypot(stay[2] - x, stay[3] - y) < _SAME_PLACE * width and stay[0] < end and start < stay[1]
        ]
        if not same:
            return None
        first, last = min(stay[0] for stay in same), max(stay[1] for stay in same)
        errors.append(max(abs(first - start), abs(last - end)))
    return max(errors)


def _stays(track: IconTrack) -> list[tuple[int, int, float, float, int]]:
    """Return start, end, centre and width of each stay: places that follow each other with hardly a step are one."""
    stays: list[tuple[int, int, float, float, int]] = []
    for place in sorted(track.places, key=lambda place: place.start_frame):
        mark = track.marks[place.mark]
        x, y = place.x + mark.width / 2, place.y + mark.height / 2
        if (
            stays
            and stays[-1][1] == place.start_frame
            and np.hypot(stays[-1][2] - x, stays[-1][3] - y) < mark.width / 4
        ):
            stays[-1] = (stays[-1][0], place.end_frame, x, y, mark.width)
        else:
            stays.append((place.start_frame, place.end_frame, x, y, mark.width))
    return stays
