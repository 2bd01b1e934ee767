"""Views: the pictures of a video that differ from each other nearly everywhere, and what stayed the same in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.sample import PLANES, Gradients

#: Views are compared in cells of this many small pixels, at half the sample's size.
_CELL = 10
#: A cell holds something if its gradients have this root mean square, in levels per pixel: noise has less.
_STRUCTURED_LEVELS = 2.0
#: A cell shows something else if its gradients correlate less than this.
_SAME_CORRELATION = 0.5
#: ... or if one of two has less than this share of the other's energy: a fade's end, a blank.
_BLANK_SHARE = 0.04
#: A picture is another view if this share of the cells that hold anything show something else.
_CHANGED_SHARE = 0.6
#: Views of a stretch: in a short one a mark that soon goes on is still there in most, a long one shows fainter marks.
_STRETCH_VIEWS = (5, 12)


@dataclass(slots=True)
class Persistence:
    """Sums over views, from which it is told what stayed: gradients (6, h, w), and their energy (h, w)."""

    gradients: NDArray[np.float32]
    energy: NDArray[np.float32]
    views: int = 0

    @classmethod
    def of_size(cls, height: int, width: int) -> Persistence:
        """Return sums over nothing."""
        return cls(np.zeros((PLANES, height, width), np.float32), np.zeros((height, width), np.float32))

    def add(self, gradients: Gradients) -> None:
        """Take one more view."""
        self.gradients += gradients
        self.energy += np.einsum("phw,phw->hw", gradients, gradients)
        self.views += 1

    @property
    def mean(self) -> NDArray[np.float32]:
        """Return the mean gradients (6, h, w)."""
        return self.gradients / np.float32(max(1, self.views))

    def agreement(self) -> NDArray[np.float32]:
        """Return how far the views agree at each pixel (h, w): 1 where all are the same, about 0 where none is."""
        mean = self.mean
        count = max(2, self.views)
        shared = np.einsum("phw,phw->hw", mean, mean) * count / np.maximum(self.energy / count, 1e-3)
        return np.asarray((shared - 1) / (count - 1), dtype=np.float32)


class Views:
    """Picks the views among the samples of a video, and sums up what they share, by stretches and altogether.

    What is on screen all the time shows in the sums of the whole video, be it ever so faint; what comes and goes, or
    jumps, in those of a stretch. Stretches are of two lengths, as a mark may stay for a few views only, or need many.
    """

    def __init__(self, height: int, width: int) -> None:
        self._size = (height, width)
        self._earlier: deque[_Glance] = deque(maxlen=max(_STRETCH_VIEWS))
        self._open = [Persistence.of_size(height, width) for _ in _STRETCH_VIEWS]
        self.whole = Persistence.of_size(height, width)

    def add(self, gradients: Gradients) -> Iterator[Persistence]:
        """Take a sample if it shows something else than the last views did, and yield the stretches that it ends."""
        glance = _Glance.of(gradients)
        if any(not glance.differs_from(other) for other in reversed(self._earlier)):
            return
        self._earlier.append(glance)
        self.whole.add(gradients)
        for number, length in enumerate(_STRETCH_VIEWS):
            self._open[number].add(gradients)
            if self._open[number].views == length:
                yield self._open[number]
                self._open[number] = Persistence.of_size(*self._size)

    def flush(self) -> Iterator[Persistence]:
        """End the video: yield the stretches that are not full, and the whole."""
        yield from (stretch for stretch in self._open if stretch.views > 1)
        yield self.whole


@dataclass(frozen=True, slots=True, eq=False)
class _Glance:
    """A view as others are compared to it: luma's gradients (h, w) at half size, and their energy by cells."""

    right: NDArray[np.float32]
    down: NDArray[np.float32]
    energy: NDArray[np.float32]

    @classmethod
    def of(cls, gradients: Gradients) -> _Glance:
        _, height, width = gradients.shape
        size = (max(1, width // 2), max(1, height // 2))
        right, down = (cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in gradients[:2])
        return cls(np.asarray(right, np.float32), np.asarray(down, np.float32), _by_cells(right * right + down * down))

    def differs_from(self, other: _Glance) -> bool:
        common = _by_cells(self.right * other.right + self.down * other.down)
        more, less = np.maximum(self.energy, other.energy), np.minimum(self.energy, other.energy)
        changed = (common < _SAME_CORRELATION * np.sqrt(more * less)) | (less < _BLANK_SHARE * more)
        structured = more >= _STRUCTURED_LEVELS**2
        return bool((changed & structured).sum() >= max(1.0, _CHANGED_SHARE * structured.sum()))


def _by_cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = values.shape
    size = (max(1, width // _CELL), max(1, height // _CELL))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
