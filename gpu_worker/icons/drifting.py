"""The second look at a mark that drifts: where it is in every frame, and what it looks like where it is."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import IconBehaviour, IconPlace, Mark
from gpu_worker.icons.appearance import measure
from gpu_worker.icons.drifts import Drift
from gpu_worker.icons.pieces import Piece, Pieces, cut_piece, near_mask
from gpu_worker.icons.presence import Stay, stays_of
from gpu_worker.icons.sample import Scale, SmallPicture
from gpu_worker.icons.shapes import grown
from gpu_worker.icons.tracks import Whereabouts
from gpu_worker.video.frame import Frame
from gpu_worker.video.masks import encode_mask
from gpu_worker.video.rect import Rect

#: Small pixels around where a mark is expected in which it is looked for.
_REACH = 3
#: A mark is there if the picture is this much like it.
_THERE = 0.5
#: Frames over which its path is even, on either side.
_EVEN_FRAMES = 12
#: What is laid over is the same in every piece: agreement of its edges, by how much more than what is around it, and
#: how far they may move: a mark that drifts by whole pixels is up to half of one off its even path.
_MIN_AGREEMENT, _MORE_THAN_AROUND = 0.82, 0.25
_MAX_SHIFT_PIXELS = 0.6
#: While it drifts, its gain rises or falls by no more than this share, and is off by more than the second one in no
#: more frames than the third.
_MAX_RISE, _UNLEVEL_BY, _UNLEVEL_SHARE = 0.12, 0.15, 0.15
#: A frame shows another shot if its edges correlate less than this with those of the frame before. What comes or goes
#: so many frames from there is of that shot: a mark goes on.
_SAME_SHOT, _AT_CUT_FRAMES = 0.2, 3
#: Of the picture, every such pixel tells.
_SPARSE = 4
#: Its path is even to so many small pixels.
_MAX_OFF_PATH = 0.5
#: A mark drifts for so many seconds, or for most of a shorter video, and by so many small pixels.
_MIN_SECONDS, _MIN_VIDEO_SHARE = 3.0, 0.6
_MIN_DRIFT_PIXELS = 8.0
_MIN_PIECES = 6


@dataclass(slots=True)
class DriftFollower:
    """Follows one mark that drifts through the frames of a video, which are given in order.

    Args:
        drift: the mark, and how it was seen to move.
        scale: of the video.
        step: frames from one sample to the next.
    """

    drift: Drift
    scale: Scale
    step: int
    _gains: array[float] = field(default_factory=lambda: array("f"))
    _places: list[tuple[float, float]] = field(default_factory=list)
    _pieces: Pieces = field(default_factory=Pieces)
    _off: tuple[float, float] = (0.0, 0.0)
    _cuts: list[int] = field(default_factory=list)
    _before: NDArray[np.float32] | None = None

    def process_frame(self, frame: Frame, picture: SmallPicture) -> None:
        """Take the next frame, and itself in small."""
        self._note_cut(frame.index, picture.luma_gradients[:, ::_SPARSE, ::_SPARSE])
        template = self.drift.look.template
        expected = tuple(side + off for side, off in zip(self.drift.place_at(frame.index), self._off, strict=True))
        self._places.append((expected[0], expected[1]))
        self._gains.append(0.0)
        left, top = (round(side) for side in expected)
        width, height = template.size
        rect = Rect(left, top, left + width, top + height)
        bounds = Rect(0, 0, *self.scale.small)
        if rect.meet(bounds).area < rect.area:
            return
        around = rect.grow(_REACH, bounds)
        likeness = template.likeness_map(picture.gradients_in(around))
        y, x = np.unravel_index(int(np.argmax(likeness)), likeness.shape)
        if likeness[y, x] < _THERE:
            return
        right, down = _peak(likeness, int(y), int(x))
        here = around.x0 + right, around.y0 + down
        self._places[-1] = here
        there = Rect(around.x0 + int(x), around.y0 + int(y), around.x0 + int(x) + width, around.y0 + int(y) + height)
        self._gains[-1] = template.gain_in(picture.gradients_in(there))
        start = self.drift.place_at(frame.index)
        self._off = here[0] - start[0], here[1] - start[1]
        if frame.index % max(1, self.step // 2) == 0:
            self._pieces.add(cut_piece(frame, there, self.scale))

    def _note_cut(self, index: int, edges: NDArray[np.float32]) -> None:
        before, self._before = self._before, edges.copy()
        if before is not None:
            spread = float(np.sqrt((before**2).sum() * (edges**2).sum()))
            if float((before * edges).sum()) < _SAME_SHOT * spread:
                self._cuts.append(index)

    def _ends_at_cut(self, stay: Stay) -> bool:
        """Tell whether what is seen comes or goes with a shot."""
        ends = [end for end in (stay.start, stay.end) if 0 < end < len(self._gains)]
        return any(abs(end - cut) <= _AT_CUT_FRAMES for end in ends for cut in self._cuts)

    def whereabouts(self, shorter_side: int, frame_rate: float) -> Whereabouts | None:
        """Return where and when the mark drifts; None where it is not proved to be laid over."""
        gains = np.asarray(self._gains, dtype=np.float32)
        seen = gains[gains > 0]
        if not seen.size:
            return None
        stays = stays_of(gains, 0, float(np.median(seen)), frame_rate)
        # A thing that comes nearer, or goes, is seen better and better, or worse.
        usual = float(np.median(seen))
        if not all(_is_level(gains[stay.start : stay.end], usual) for stay in stays):
            return None
        stays = [stay for stay in stays if not self._ends_at_cut(stay)]
        frames = sum(stay.end - stay.start for stay in stays)
        if frames < min(_MIN_SECONDS * frame_rate, _MIN_VIDEO_SHARE * len(gains)):
            return None
        stay = max(stays, key=lambda stay: stay.end - stay.start)
        paths = {index: place for stay in stays for index, place in self._path(stay.start, stay.end)}
        measured = np.array([self._places[index] for index in paths if gains[index] > 0])
        even = np.array([place for index, place in paths.items() if gains[index] > 0])
        way = np.subtract(paths[stay.end - 1], paths[stay.start])
        if np.sqrt(((measured - even) ** 2).sum(axis=1).mean()) > _MAX_OFF_PATH or np.hypot(*way) < _MIN_DRIFT_PIXELS:
            return None
        return self._laid_over([piece for piece in self._pieces.kept if piece.index in paths], paths, shorter_side)

    def _path(self, start: int, end: int) -> list[tuple[int, tuple[float, float]]]:
        """Return the even path of a stay: in each frame, the line through the places before and after it."""
        places = np.array(self._places[start:end])
        known = np.asarray(self._gains[start:end]) > 0
        path = []
        for index in range(end - start):
            span = slice(max(0, index - _EVEN_FRAMES), index + _EVEN_FRAMES + 1)
            times = np.arange(end - start)[span][known[span]] - index
            if len(times) < 2:
                path.append((start + index, (float(places[index][0]), float(places[index][1]))))
                continue
            line = np.polyfit(times, places[span][known[span]], 1)[1]
            path.append((start + index, (float(line[0]), float(line[1]))))
        return path

    def _laid_on_each_other(
        self, pieces: list[Piece], paths: dict[int, tuple[float, float]]
    ) -> tuple[list[Piece], NDArray[np.float64]]:
        """Return pieces moved so that the mark is at the same place in all, and how far right and down in them."""
        size = min(piece.rect.width for piece in pieces), min(piece.rect.height for piece in pieces)
        corners = np.array([(piece.rect.x0, piece.rect.y0) for piece in pieces])
        within = self.scale.factor * np.array([paths[piece.index] for piece in pieces]) - corners
        # As far as in most: at the picture's border there is less around a mark.
        usual = np.median(within, axis=0)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        laid = []
        for piece, (right, down) in zip(pieces, within - usual, strict=True):
            matrix = np.array([[1, 0, right], [0, 1, down]])
            moved = [
                cv2.warpAffine(plane, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
                for plane in piece.planes
            ]
            laid.append(Piece(piece.index, Rect(0, 0, *size), np.stack(moved).astype(np.uint8)))
        return laid, usual

    def _laid_over(
        self, pieces: list[Piece], paths: dict[int, tuple[float, float]], shorter_side: int
    ) -> Whereabouts | None:
        """Return the whereabouts of a mark whose pieces, laid on each other along its path, show it; None otherwise."""
        if len(pieces) < _MIN_PIECES:
            return None
        factor = self.scale.factor
        laid, before = self._laid_on_each_other(pieces, paths)
        template = self.drift.look.template
        left, top = (round(side) for side in before)
        shown = Rect(-left, -top, laid[0].rect.width - left, laid[0].rect.height - top)
        near = near_mask(template.edges, Rect(0, 0, *template.size), shown, self.scale)
        seen = measure(laid, near, shorter_side)
        if seen is None or seen.agreement < max(_MIN_AGREEMENT, seen.around + _MORE_THAN_AROUND):
            return None
        if seen.shift > _MAX_SHIFT_PIXELS * factor:
            return None
        mask = grown(seen.mask, 1)
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        inside = Rect(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        corners = {
            index: tuple(
                round(factor * side - off + shift)
                for side, off, shift in zip(place, before, (inside.x0, inside.y0), strict=True)
            )
            for index, place in paths.items()
        }
        mark = Mark(width=inside.width, height=inside.height, mask_png=encode_mask(mask[inside.slices]), matte=None)
        return Whereabouts(
            (mark,), _places_of(corners, self.scale.full, inside), IconBehaviour.MOVING, seen.agreement, None
        )


def _places_of(corners: dict[int, tuple[int, ...]], full: tuple[int, int], inside: Rect) -> tuple[IconPlace, ...]:
    """Return a place for every position, from the upper left pixel of each frame."""
    places: list[IconPlace] = []
    for index, corner in sorted(corners.items()):
        room = full[0] - inside.width, full[1] - inside.height
        x, y = (min(max(side, 0), most) for side, most in zip(corner, room, strict=True))
        last = places[-1] if places else None
        if last is not None and (last.end_frame, last.x, last.y) == (index, x, y):
            places[-1] = last.model_copy(update={"end_frame": index + 1})
        else:
            places.append(IconPlace(start_frame=index, end_frame=index + 1, x=x, y=y, mark=0))
    return tuple(places)


def _is_level(gains: NDArray[np.float32], usual: float) -> bool:
    """Tell whether a mark is equally well seen in the frames of a stay, from the first to the last."""
    rise = float(np.polyfit(np.linspace(0, 1, len(gains)), gains, 1)[0])
    off = np.abs(gains - np.median(gains)) > _UNLEVEL_BY * usual
    return abs(rise) <= _MAX_RISE * usual and float(off.mean()) <= _UNLEVEL_SHARE


def _peak(likeness: NDArray[np.float32], row: int, column: int) -> tuple[float, float]:
    """Return the column and row of a peak, to a fraction: of the parabola through it and its neighbours."""
    peak = []
    for line, at in ((likeness[row], column), (likeness[:, column], row)):
        if 0 < at < len(line) - 1:
            before, here, after = (float(value) for value in line[at - 1 : at + 2])
            bend = before - 2 * here + after
            peak.append(at + (0.5 * (before - after) / bend if bend < 0 else 0.0))
        else:
            peak.append(float(at))
    return peak[0], peak[1]
