"""Marks that the library knows, seen in the video: over a picture that stands still nothing else tells a mark."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.candidates import Candidate
from gpu_worker.icons.library import LibraryEntry
from gpu_worker.icons.matching import (
    Match,
    best_match,
    directions_of,
    drawn_directions,
    seen_in,
    sure_likeness,
    width_at,
)
from gpu_worker.icons.sample import PLANES, Gradients, gradients_of
from gpu_worker.icons.template import Template
from gpu_worker.video.rect import Rect

#: Samples whose mean is compared with the library: what moves behind a mark is levelled out.
_SEGMENT_SAMPLES = 10
#: Squared length from which a direction is that of an edge of the mark.
_EDGE = 0.1
#: Sizes in which an entry is compared with a mark of known height, as shares of it, and pixels that it may lie off.
_NAMED_SHARES = (0.85, 0.9, 0.94, 0.97, 1.0, 1.03, 1.06, 1.1, 1.15)
_OFF_PIXELS = 6


class Recognition:
    """Compares a video with the library now and then: in the first seconds, and whenever twice as much has passed.

    That is done in a thread of its own, while further samples come.

    Args:
        size: height and width of the samples.
        entries: of the library.
        areas: where to look in the samples; empty for their corners.
    """

    def __init__(self, size: tuple[int, int], entries: Sequence[LibraryEntry], areas: tuple[Rect, ...] = ()) -> None:
        self._size = size
        self._entries = entries
        self._areas = areas
        self._sum = np.zeros((PLANES, *size), np.float32)
        self._samples = 0
        self._segments = 0
        self._due = 1
        self._aside = ThreadPoolExecutor(1)
        self._looks: list[Future[list[Candidate]]] = []

    def add(self, gradients: Gradients) -> None:
        """Take the next sample."""
        if not self._entries:
            return
        self._sum += gradients
        self._samples += 1
        if self._samples == _SEGMENT_SAMPLES:
            self._end_segment()

    def flush(self) -> list[Candidate]:
        """End the video, and return the marks of the library that were seen, with their names."""
        if self._samples and not self._segments:
            self._end_segment()
        found: list[Candidate] = []
        with self._aside:
            for new in chain.from_iterable(look.result() for look in self._looks):
                if not any(new.entry is old.entry for old in found):
                    found.append(new)
        return found

    def _end_segment(self) -> None:
        self._segments += 1
        mean = self._sum / np.float32(self._samples)
        if self._segments == self._due:
            self._due *= 2
            self._looks.append(self._aside.submit(self._seen, mean))
        self._sum = np.zeros((PLANES, *self._size), np.float32)
        self._samples = 0

    def _seen(self, mean: NDArray[np.float32]) -> list[Candidate]:
        return [_candidate(match, mean) for match in seen_in(mean[:2], self._entries, self._areas)]


def _candidate(match: Match, gradients: NDArray[np.float32]) -> Candidate:
    rect = match.rect
    drawn = drawn_directions(match.entry, rect.width, rect.height)
    edges = ((drawn * drawn).sum(axis=2) >= _EDGE)[2:-2, 2:-2]
    template = Template.of(gradients[(slice(None), *rect.slices)], edges)
    return Candidate(template, [rect], match.likeness, match.entry)


def named(mean: NDArray[np.float32], ink: Rect, entries: Sequence[LibraryEntry]) -> Match | None:
    """Return the entry that a mark looks like, and where, in pixels of ``mean``; None where it is like none.

    Args:
        mean: (3, h, w) of the mark and its surroundings.
        ink: where the mark lies in it.
        entries: of the library.
    """
    directions = directions_of(gradients_of([mean[0]]))
    window = ink.grow(_OFF_PIXELS + ink.height // 4, Rect(0, 0, mean.shape[2], mean.shape[1]))
    best: Match | None = None
    for entry in entries:
        heights = sorted({round(share * ink.height) for share in _NAMED_SHARES})
        fitting = [height for height in heights if width_at(entry, height) <= 1.3 * ink.width]
        match = best_match(directions, entry, (window,), fitting)
        if match is None or match.likeness < sure_likeness(match):
            continue
        if best is None or match.likeness > best.likeness:
            best = match
    return best
