"""Marks as the views of a video show them, here and there, told apart: what is one mark at several places is one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gpu_worker.icons.library import LibraryEntry
from gpu_worker.icons.overlay import Found
from gpu_worker.icons.template import Template
from gpu_worker.video.rect import Rect

#: Two finds are of one mark if one lies on the other by this share of the smaller ...
_SAME_PLACE_SHARE = 0.3
#: ... or if they are this much alike, wherever they are; they may lie a few small pixels off.
_SAME_LIKENESS = 0.7
_OFF_PIXELS = 6
#: Marks that are followed: each costs a little in every frame.
_MAX_CANDIDATES = 8


@dataclass(slots=True)
class Candidate:
    """A mark to be followed: what it looks like in small, where it was found, and how sure that is, 0-1.

    ``entry`` is the library's that says that it is a mark, None where what moves behind it does, or, where it
    ``is_switched``, how it comes and goes; where it also ``is_in_views``, either may prove it.
    """

    template: Template
    rects: list[Rect]
    confidence: float
    entry: LibraryEntry | None = None
    is_switched: bool = False
    is_in_views: bool = True


@dataclass(slots=True)
class Candidates:
    """Takes what is found stretch by stretch, and keeps the best look at each mark."""

    _finds: list[Found] = field(default_factory=list)

    def add(self, found: list[Found]) -> None:
        """Take what one stretch of the video shows."""
        for find in found:
            same = [other for other in self._finds if lie_on_each_other(find.rect, other.rect)]
            if all(_worth(find) > _worth(other) for other in same):
                in_views = find.is_in_views or any(other.is_in_views and _are_alike(other, find) for other in same)
                others = [other for other in self._finds if not any(other is one for one in same)]
                self._finds = [*others, replace(find, is_in_views=in_views)]
            elif find.is_in_views:
                seen = [other for other in same if _are_alike(find, other)]
                self._finds = [
                    replace(other, is_in_views=True) if any(other is one for one in seen) else other
                    for other in self._finds
                ]

    def chosen(self, known: list[Candidate]) -> list[Candidate]:
        """Return the marks, surest first; those of ``known`` that nothing else shows come last."""
        candidates: list[Candidate] = []
        for find in sorted(self._finds, key=_worth, reverse=True):
            for candidate in candidates:
                rect, likeness = place_in(find, candidate.template)
                if likeness >= _SAME_LIKENESS:
                    candidate.rects.append(rect)
                    candidate.confidence = max(candidate.confidence, find.confidence)
                    candidate.is_in_views |= find.is_in_views
                    break
            else:
                candidates.append(
                    Candidate(find.template, [find.rect], find.confidence, None, find.is_switched, find.is_in_views)
                )
        unseen = [
            mark
            for mark in known
            if not any(lie_on_each_other(mark.rects[0], rect) for other in candidates for rect in other.rects)
        ]
        return candidates[: _MAX_CANDIDATES - len(unseen)] + unseen[:_MAX_CANDIDATES]


def _are_alike(find: Found, other: Found) -> bool:
    return place_in(find, other.template)[1] >= _SAME_LIKENESS


def _worth(find: Found) -> tuple[bool, float]:
    """Return what finds are ordered by: what was switched is surer than what stays in views, and often smaller."""
    return find.is_switched, find.confidence * float(np.sqrt(find.template.edges.sum()))


def lie_on_each_other(first: Rect, second: Rect) -> bool:
    """Tell whether two finds may be of one mark by where they are."""
    return first.meet(second).area > _SAME_PLACE_SHARE * min(first.area, second.area)


def place_in(find: Found, template: Template) -> tuple[Rect, float]:
    """Return where in a find a mark lies that looks most like a template, and how like it that is, 0-1."""
    width, height = template.size
    across, down = (
        max(0, mine - theirs) + _OFF_PIXELS for mine, theirs in ((width, find.rect.width), (height, find.rect.height))
    )
    around = np.pad(find.template.gradients, ((0, 0), (down, down), (across, across)))
    likeness = template.likeness_map(around)
    y, x = np.unravel_index(int(np.argmax(likeness)), likeness.shape)
    left, top = find.rect.x0 + int(x) - across, find.rect.y0 + int(y) - down
    return Rect(left, top, left + width, top + height), float(likeness[y, x])
