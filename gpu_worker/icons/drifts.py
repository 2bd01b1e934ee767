"""Marks that drift: seen from a point that moves along, a mark stays where it is, and the picture moves behind it.

Corners are followed from sample to sample (Lucas & Kanade, IJCAI 1981; Tomasi & Kanade, 1991). Those of a mark move as
one, evenly, and not as what is around them. Samples laid on each other along that motion are views, and what stays in
them is a mark, as it is where nothing drifts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.overlay import Found, is_too_large, marks_in
from gpu_worker.icons.sample import gradients_of
from gpu_worker.icons.views import Persistence
from gpu_worker.video.rect import Rect

#: Samples that are looked at together, and without which nothing is told.
_WINDOW_SAMPLES, _MIN_SAMPLES = 12, 10
#: Corners that are followed, how good they must be relative to the best, and how near to each other they are.
_MOST_CORNERS, _CORNER_QUALITY, _CORNER_PIXELS = 600, 0.01, 4
#: How much of the picture around a corner is compared: little, as what is beside a mark does not go with it.
_COMPARED, _COMPARED_LEVELS = (13, 13), 2
#: A corner is lost if it is not found again from where it was found, to so many pixels.
_BACK_PIXELS = 0.5
#: Root mean square, in pixels, by which a corner that moves evenly is off its line: a mark moves by whole pixels.
_EVEN_PIXELS = 0.6
#: Where no more than this share of the corners is seen again, the shot has ended.
_CUT_SHARE = 0.3
#: A mark drifts by at least so many pixels in a window, seen from what is around it as well, and its corners by about
#: as much as each other.
_MIN_DRIFT_PIXELS = 8.0
_TOGETHER_PIXELS = 2.0
#: Corners of a mark, at least, and how near they are to each other: share of the picture's height.
_MIN_CORNERS = 5
_NEAR_SHARE = 0.1
#: Of the corners around a mark no more than this share move as it does.
_MAX_AROUND = 0.3
#: Groups that are looked at closely in a window: each costs as much as some dozens of frames.
_MOST_GROUPS = 3

_Planes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """A mark that drifts: ``look`` is where and what it is at ``frame``; ``speed`` right and down per frame.

    All are in small pixels; ``frame`` may be half-way between two.
    """

    look: Found
    frame: float
    speed: tuple[float, float]

    def place_at(self, index: float) -> tuple[float, float]:
        """Return the left and upper side of the mark in a frame, if it goes on as it was seen to."""
        since = index - self.frame
        return self.look.rect.x0 + since * self.speed[0], self.look.rect.y0 + since * self.speed[1]


@dataclass(slots=True)
class Drifts:
    """Looks for marks that drift in the samples of a video, which are given in order."""

    _samples: list[tuple[int, _Planes]] = field(default_factory=list)
    _paths: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0, 2), np.float32))
    _found: list[Drift] = field(default_factory=list)

    def add(self, index: int, planes: list[_Planes]) -> None:
        """Take frame ``index`` in small: Y, U, V (h, w), in 8-bit levels."""
        if self._samples and not self._follow(self._samples[-1][1][0], planes[0]):
            if len(self._samples) >= _MIN_SAMPLES:
                self._end_window()
            self._samples = []
        if not self._samples:
            corners = cv2.goodFeaturesToTrack(_grey(planes[0]), _MOST_CORNERS, _CORNER_QUALITY, _CORNER_PIXELS)
            self._paths = np.empty((0, 1, 2), np.float32) if corners is None else corners.astype(np.float32)
        self._samples.append((index, np.stack(planes)))
        if len(self._samples) == _WINDOW_SAMPLES:
            self._end_window()

    def flush(self) -> list[Drift]:
        """End the video, and return what drifts."""
        if len(self._samples) >= _MIN_SAMPLES:
            self._end_window()
        return self._found

    def _follow(self, before: _Planes, after: _Planes) -> bool:
        """Go on with the paths (corners, samples, 2) of corners that are seen again; tell whether the shot goes on."""
        if not len(self._paths):
            return False
        here = np.ascontiguousarray(self._paths[:, -1:])
        one, two = _grey(before), _grey(after)
        there, seen = _followed(one, two, here)
        back, again = _followed(two, one, there)
        kept = seen & again & (np.abs(back - here).max(axis=(1, 2)) <= _BACK_PIXELS)
        if kept.sum() <= _CUT_SHARE * len(kept):
            return False
        self._paths = np.concatenate((self._paths, there), axis=1)[kept]
        return True

    def _end_window(self) -> None:
        for box, drift in self._groups()[:_MOST_GROUPS]:
            self._look_closely(box, drift)
        self._samples = []

    def _groups(self) -> list[tuple[Rect, NDArray[np.float32]]]:
        """Return where corners move as one, in the window's middle, and by how much in all of it, largest first."""
        height, width = self._samples[0][1].shape[1:]
        bounds = Rect(0, 0, width, height)
        times = np.linspace(-0.5, 0.5, len(self._samples), dtype=np.float32)
        if not len(self._paths):
            return []
        middle = self._paths.mean(axis=1)
        drift = np.einsum("cts,t->cs", self._paths - middle[:, None], times) / float((times**2).sum())
        off = self._paths - middle[:, None] - times[None, :, None] * drift[:, None]
        even = np.sqrt((off**2).sum(axis=2).mean(axis=1)) <= _EVEN_PIXELS
        left = even & (np.hypot(drift[:, 0], drift[:, 1]) >= _MIN_DRIFT_PIXELS)
        groups: list[tuple[int, Rect, NDArray[np.float32]]] = []
        while left.any():
            together = np.linalg.norm(drift[None] - drift[left][:, None], axis=2) <= _TOGETHER_PIXELS
            best = int(np.argmax(together[:, left].sum(axis=1)))
            mine = together[best] & left
            usual = np.median(drift[mine], axis=0)
            moves_so = np.linalg.norm(drift - usual, axis=1) <= _MIN_DRIFT_PIXELS
            for members in _near_each_other(middle, mine, _NEAR_SHARE * height):
                low, high = middle[members].min(axis=0), middle[members].max(axis=0)
                box = Rect(int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1)
                if len(members) < _MIN_CORNERS or is_too_large(box, bounds):
                    continue
                wide = box.grow(round(2 * _NEAR_SHARE * height), bounds)
                near = _inside(middle, wide) & ~_inside(middle, box)
                if moves_so[near].sum() <= _MAX_AROUND * max(1, near.sum()):
                    groups.append((len(members), box, np.median(drift[members], axis=0)))
            left &= ~mine
        return [(box, drift) for _, box, drift in sorted(groups, key=lambda group: -group[0])]

    def _look_closely(self, box: Rect, way: NDArray[np.float32]) -> None:
        """Lay the samples on each other along a drift, and keep what stays in them where the corners are."""
        frames = [index for index, _ in self._samples]
        middle = (frames[0] + frames[-1]) / 2
        speed = way / max(1, frames[-1] - frames[0])
        height, width = self._samples[0][1].shape[1:]
        views = Persistence.of_size(height, width)
        for index, planes in self._samples:
            x, y = (float(side) * (index - middle) for side in speed)
            matrix = np.array([[1, 0, x], [0, 1, y]])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            moved = [
                cv2.warpAffine(plane, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
                for plane in planes
            ]
            views.add(gradients_of([np.asarray(plane, np.float32) for plane in moved]))
        for look in marks_in(views):
            if look.rect.meet(box).area < 0.5 * min(look.rect.area, box.area):
                continue
            drift = Drift(look, middle, (float(speed[0]), float(speed[1])))
            if not any(_go_together(drift, other) for other in self._found):
                self._found.append(drift)


def _go_together(drift: Drift, other: Drift) -> bool:
    """Tell whether two drifts are of one mark: where one is, the other one was expected."""
    x, y = (round(side) for side in other.place_at(drift.frame))
    width, height = other.look.template.size
    expected, rect = Rect(x, y, x + width, y + height), drift.look.rect
    return expected.meet(rect).area >= 0.5 * min(expected.area, rect.area)


def _followed(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where points (n, 1, 2) of one picture are in another, and which of them are seen there."""
    there, seen, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, points.copy(), winSize=_COMPARED, maxLevel=_COMPARED_LEVELS
    )
    return np.asarray(there, np.float32), np.asarray(seen[:, 0] > 0)


def _grey(luma: _Planes) -> NDArray[np.uint8]:
    return np.asarray(np.clip(luma, 0, 255), dtype=np.uint8)


def _inside(points: NDArray[np.float32], rect: Rect) -> NDArray[np.bool_]:
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x >= rect.x0) & (x < rect.x1) & (y >= rect.y0) & (y < rect.y1))


def _near_each_other(points: NDArray[np.float32], chosen: NDArray[np.bool_], reach: float) -> list[NDArray[np.intp]]:
    """Return the chosen points (n, 2) in groups whose members are within ``reach`` pixels of the next one."""
    left = set(np.flatnonzero(chosen).tolist())
    groups = []
    while left:
        group, border = [], [left.pop()]
        while border:
            point = border.pop()
            group.append(point)
            near = [other for other in left if np.abs(points[other] - points[point]).max() <= reach]
            left.difference_update(near)
            border += near
        groups.append(np.array(sorted(group)))
    return groups
