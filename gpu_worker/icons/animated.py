"""The second look at a mark that turns or pulses: when it is there, and all that it ever covers."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import IconBehaviour, IconPlace, Mark
from gpu_worker.icons.loops import Loop, course_of
from gpu_worker.icons.pieces import Pieces, cut_around
from gpu_worker.icons.presence import runs
from gpu_worker.icons.sample import Scale
from gpu_worker.icons.shapes import closed, filled_in, grown, reached_from, without_holes, without_specks
from gpu_worker.icons.tracks import Whereabouts
from gpu_worker.video.frame import Frame
from gpu_worker.video.halo import codec_halo
from gpu_worker.video.masks import encode_mask
from gpu_worker.video.rect import Rect

#: Looks of a round of which pieces are kept, and pieces of each.
_LOOKS, _PIECES_PER_LOOK = 12, 6
#: Pieces of a look without which nothing is told of it, and looks that tell of changes in the course of a round.
_MIN_PIECES, _MIN_LOOKS = 3, 2
#: A pixel belongs to the mark if in some look it changes from round to round by less than this share of what is around.
_CALM_SHARE = 0.35
#: ... or if its looks differ from each other by so many times what chance has of them, and by so many levels.
_RECURS_OVER_CHANCE, _MIN_RECURRING_LEVELS = 2.0, 3.0
#: Pixels over which that is levelled.
_LEVELLED_PIXELS = 1.5
#: The mark's pixels fill this share of the place that repeats, and no more than this of what is around it.
_MIN_FILLED, _MAX_AROUND = 0.15, 0.2
#: How far beyond that place a mark may reach, as a share of its height: it is there for a moment of each round only.
_BESIDE_SHARE = 0.4
#: Pixels told to be the mark's that hang together and are fewer than this share of the place are chance.
_SPECK_SHARE = 0.02
#: Where the picture around stands still, a pixel belongs to the mark if it differs in the course of a round by so many
#: levels, and by so much more than it does from round to round; of the place, the mark fills this share.
_MIN_LEVELS, _OVER_CHANCE = 8.0, 4.0
_MIN_CALMLY_FILLED = 0.15
#: A round is seen if its looks are, by this share.
_SEEN = 0.5
#: An icon is seen for so many rounds.
_MIN_ROUNDS = 3


@dataclass(slots=True)
class LoopFollower:
    """Follows one loop through the frames of a video, which are given in order.

    Args:
        loop: what repeats, and where.
        coarse: the scale at which it was found.
    """

    loop: Loop
    coarse: Scale
    _gains: array[float] = field(default_factory=lambda: array("f"))
    _before: NDArray[np.float32] | None = None
    _pieces: dict[int, Pieces] = field(default_factory=dict)

    def __post_init__(self) -> None:
        step = max(1, self.loop.period // _LOOKS)
        self._pieces = {phase: Pieces(most=_PIECES_PER_LOOK) for phase in range(0, self.loop.period, step)}

    def process_frame(self, frame: Frame) -> None:
        """Take the next frame."""
        before, self._before = self._before, course_of(frame, self.coarse)
        self._gains.append(0.0 if before is None else self.loop.gain_in(self._before - before, frame.index))
        pieces = self._pieces.get(self.loop.phase_of(frame.index))
        if pieces is not None:
            pieces.add(cut_around(frame, self.loop.rect))

    def whereabouts(self, shorter_side: int) -> Whereabouts | None:
        """Return where and when the mark stands; None where its rounds are not the same to the pixel."""
        stays = self._stays()
        mask = self._mask(stays, shorter_side)
        if not stays or mask is None:
            return None
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        inside = Rect(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        piece = next(iter(self._pieces.values())).kept[0].rect
        place = inside.shifted(piece.x0, piece.y0)
        mark = Mark(width=inside.width, height=inside.height, mask_png=encode_mask(mask[inside.slices]), matte=None)
        places = tuple(
            IconPlace(start_frame=start, end_frame=end, x=place.x0, y=place.y0, mark=0) for start, end in stays
        )
        return Whereabouts((mark,), places, IconBehaviour.ANIMATED, self.loop.likeness, None)

    def _stays(self) -> list[tuple[int, int]]:
        """Return spans of frames in which the loop runs, to half a round: some of its looks hardly show."""
        gains = np.asarray(self._gains, dtype=np.float32)
        weights = (self.loop.turns**2).sum(axis=(1, 2))
        phases = np.array([self.loop.phase_of(index) for index in range(len(gains))])
        weight = weights[phases]
        size = self.loop.period
        window = np.ones(size)
        level = np.convolve(np.clip(gains, -1, 2) * weight, window, "same")
        level /= np.maximum(np.convolve(weight, window, "same"), 1e-3)
        return [(start, end) for start, end in runs(level >= _SEEN) if end - start >= _MIN_ROUNDS * size]

    def _mask(self, stays: list[tuple[int, int]], shorter_side: int) -> NDArray[np.bool_] | None:
        """Return what the mark ever covers, (h, w) of the pieces; None where that is not what repeats."""
        shown = [
            [piece.planes[0] for piece in pieces.kept if any(start <= piece.index < end for start, end in stays)]
            for pieces in self._pieces.values()
        ]
        looks = [np.stack(planes).astype(np.float32) for planes in shown if len(planes) >= _MIN_PIECES]
        if len(looks) < _MIN_LOOKS:
            return None
        piece = next(iter(self._pieces.values())).kept[0].rect
        place = np.zeros((piece.height, piece.width), dtype=bool)
        place[self.loop.rect.shifted(-piece.x0, -piece.y0).meet(Rect(0, 0, piece.width, piece.height)).slices] = True
        if place.all():
            return None
        if self.loop.is_calm:
            return _changing(looks, place, shorter_side)
        within = [_levelled(look.var(axis=0, ddof=1)) for look in looks]
        everywhere = filled_in(np.mean(within, axis=0).astype(np.float32), place)
        own = _recurring(looks)
        calm = np.logical_or.reduce([power < _CALM_SHARE**2 * everywhere for power in within])
        halo = codec_halo(shorter_side)
        if calm[~place].mean() <= _MAX_AROUND:
            own |= calm & grown(place, halo)
        if own[place].mean() < _MIN_FILLED or own[~place].mean() > _MAX_AROUND:
            return None
        return _swept(own, place, halo)


def _recurring(looks: list[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Return where the looks of a round differ by more than rounds do, (h, w): what shines through is levelled out."""
    within = np.mean([look.var(axis=0, ddof=1) / len(look) for look in looks], axis=0)
    between = np.stack([look.mean(axis=0) for look in looks]).var(axis=0, ddof=1)
    expected = _levelled(within.astype(np.float32))
    differing = _levelled(between.astype(np.float32))
    return np.asarray(differing >= np.maximum(_RECURS_OVER_CHANCE * expected, _MIN_RECURRING_LEVELS**2))


def _changing(
    looks: list[NDArray[np.float32]], place: NDArray[np.bool_], shorter_side: int
) -> NDArray[np.bool_] | None:
    """Return what changes in the course of a round and is the same in each, (h, w); None where it goes on elsewhere."""
    means = np.stack([look.mean(axis=0) for look in looks])
    by_chance = np.sqrt(np.mean([look.var(axis=0, ddof=1) for look in looks], axis=0))
    change = means.max(axis=0) - means.min(axis=0)
    same = (change >= _MIN_LEVELS) & (change >= _OVER_CHANCE * by_chance)
    if same[place].mean() < _MIN_CALMLY_FILLED or same[~place].mean() > _MAX_AROUND:
        return None
    return _swept(same, place, max(1, codec_halo(shorter_side) // 2))


def _swept(own: NDArray[np.bool_], place: NDArray[np.bool_], halo: int) -> NDArray[np.bool_] | None:
    """Return what a mark sweeps over whose pixels are told: beside the place where most of it repeats as well."""
    reach = round(_BESIDE_SHARE * place.any(axis=1).sum())
    ink = reached_from(own & place, closed(own) & grown(place, reach))
    ink = without_specks(ink, _SPECK_SHARE * place.sum())
    # What is there for a moment of each round only is told at its core: the halo beyond it is wider.
    return grown(without_holes(grown(ink, halo)), halo) if ink.any() else None


def _levelled(power: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(power, (0, 0), _LEVELLED_PIXELS), dtype=np.float32)
