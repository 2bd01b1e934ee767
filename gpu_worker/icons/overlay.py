"""What is laid over: groups of edges that stayed in every view while the picture around them changed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.template import Template
from gpu_worker.icons.views import Persistence
from gpu_worker.video.rect import Rect

#: An edge that stays has at least this mean gradient, in levels per pixel.
_MIN_EDGE_LEVELS = 1.5
#: Agreement that an edge needs: of few views, some agree by chance.
_AGREEMENT, _AGREEMENT_PER_VIEW = 0.35, 1.1
#: Groups are looked for among the edges that agree most first, then among all: chance edges beside a mark come later.
_STEPS = (0.85, 0.6, 0.3, 0.0)
#: How much larger a mark may become by edges that agree less.
_MAX_REST = 3.0
#: A group as a whole agrees by this much more than any of its edges must: those of chance agree just so.
_MARGIN = 0.05
#: Edges closer than this share of the picture's height belong to one mark.
_GROUP_SHARE = 0.03
#: A mark has at least so many pixels of edge in small. They fill this share of its ground: of few views, more. In two
#: or three views all of a mark must agree: many more pixels than these do not by chance.
_MIN_EDGE_PIXELS = 24
_DENSITY, _DENSITY_PER_VIEW = 0.1, 0.8
_FEW_VIEWS, _CHANCE_EDGE_PIXELS = 3, 150
#: Edges without others near them are chance: share of a neighbourhood of five pixels.
_FIRM_SHARE = 0.2
#: A line of the picture of which this share is edge is the border of a black bar, or of a split screen.
_BAR_SHARE = 0.5
_BAR_PIXELS = 5
#: Largest mark: shares of the picture's width, height, and area. A score bar is longer; a marker in a game, larger.
_MAX_WIDTH, _MAX_HEIGHT, _MAX_AREA = 0.4, 0.3, 0.06
#: Where what is outside of a group agrees more than this, the camera stands still: nothing can be told.
_MAX_OUTSIDE = 0.25
#: Where it agrees less than this, it does move: what is right around a group may still, as a horizon does.
_CLEARLY_MOVES = 0.12
_MAX_AROUND = 0.4


@dataclass(frozen=True, slots=True)
class _Strictness:
    """How much proof a mark needs: where a user has said to look, less."""

    margin: float
    density: float
    may_touch_border: bool


_ANYWHERE = _Strictness(_MARGIN, 1.0, may_touch_border=False)
_IN_REGION = _Strictness(0.0, 0.6, may_touch_border=True)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A mark as the video shows it, in small pixels: where, what it looks like, and how sure it is, 0-1.

    ``is_switched`` says that it was told by how it comes and goes, ``is_in_views`` by what stays in views.
    """

    rect: Rect
    template: Template
    confidence: float
    is_switched: bool = False
    is_in_views: bool = True


def marks_in(persistence: Persistence, regions: tuple[Rect, ...] = ()) -> list[Found]:
    """Return what stayed in some views.

    Args:
        persistence: of the views.
        regions: in small pixels, where a mark needs less proof; empty for anywhere in the picture.
    """
    if persistence.views < 2:
        return []
    evidence = _Evidence.of(persistence)
    needed = _AGREEMENT + _AGREEMENT_PER_VIEW / persistence.views
    found: list[Found] = []
    for step in _STEPS:
        for group in evidence.groups(needed + step * (1 - needed)):
            within = [other for other in found if group.rect.meet(other.rect).area > 0]
            # What agrees a little less may be the rest of a mark, or chance edges that lead far away from it.
            if within and group.rect.area > _MAX_REST * sum(other.rect.area for other in within):
                continue
            # ... or edges beside it.
            if any(group.rect.meet(other.rect).area < 0.5 * other.rect.area for other in within):
                continue
            inside = any(region.meet(group.rect).area >= 0.5 * group.rect.area for region in regions)
            if regions and not inside:
                continue
            confidence = evidence.confidence(group, needed, _IN_REGION if inside else _ANYWHERE)
            if confidence > 0:
                confidence = max(confidence, *(other.confidence for other in within), 0.0)
                found = [other for other in found if not any(other is one for one in within)]
                template = Template.of(persistence.mean[(slice(None), *group.rect.slices)], group.edges)
                found.append(Found(group.rect, template, confidence))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Edges that stayed: ``edges`` and ``ground``, what they cover with what lies between them, (h, w) of ``rect``."""

    rect: Rect
    edges: NDArray[np.bool_]
    ground: NDArray[np.bool_]


def groups_of(edges: NDArray[np.bool_]) -> list[Group]:
    """Return the edges (h, w) of a picture in groups: those near to each other, and so many as a mark has."""
    firm = edges & (cv2.blur(edges.astype(np.float32), (5, 5)) >= _FIRM_SHARE)
    reach = _reach(edges.shape[0])
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(firm.astype(np.uint8), kernel))
    groups = []
    for label in range(1, count):
        x, y, width, height = (int(value) for value in stats[label, :4])
        rect = Rect(x, y, x + width, y + height)
        ground = labels[rect.slices] == label
        mine = firm[rect.slices] & ground
        if mine.sum() >= _MIN_EDGE_PIXELS:
            groups.append(Group(rect, mine, ground))
    return groups


def _reach(height: int) -> int:
    return max(2, round(_GROUP_SHARE * height))


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """What views share: how far they agree, how strong the mean edge is, and the energy by which pixels count."""

    agreement: NDArray[np.float32]
    strength: NDArray[np.float32]
    energy: NDArray[np.float32]
    views: int

    @classmethod
    def of(cls, persistence: Persistence) -> _Evidence:
        mean = persistence.mean
        return cls(
            persistence.agreement(),
            np.einsum("phw,phw->hw", mean, mean),
            persistence.energy / np.float32(persistence.views),
            persistence.views,
        )

    @property
    def bounds(self) -> Rect:
        height, width = self.energy.shape
        return Rect(0, 0, width, height)

    @property
    def reach(self) -> int:
        return _reach(self.bounds.height)

    def groups(self, needed: float) -> list[Group]:
        """Return the groups of edges that agree at least so far."""
        return groups_of(_without_bars((self.agreement >= needed) & (self.strength >= _MIN_EDGE_LEVELS**2)))

    def confidence(self, group: Group, needed: float, strictness: _Strictness) -> float:
        """Return how sure it is that a group is laid over the picture, 0 where it is not."""
        rect, bounds = group.rect, self.bounds
        touches = rect.x0 <= 1 or rect.y0 <= 1 or rect.x1 >= bounds.x1 - 1 or rect.y1 >= bounds.y1 - 1
        if touches and not strictness.may_touch_border:
            return 0.0
        if is_too_large(rect, bounds):
            return 0.0
        mine = self._agreement_of(rect, group.edges)
        wide = rect.grow(2 * self.reach, bounds)
        ring = np.ones((wide.height, wide.width), dtype=bool)
        ring[rect.shifted(-wide.x0, -wide.y0).slices] &= ~group.ground
        outside = np.ones(self.energy.shape, dtype=bool)
        outside[wide.slices] = False
        density = float(group.edges.sum() / group.ground.sum())
        by_chance = _DENSITY_PER_VIEW / self.views
        if self.views <= _FEW_VIEWS:
            by_chance *= min(1.0, _CHANCE_EDGE_PIXELS / float(group.edges.sum()))
        moving = self._agreement_of(bounds, outside)
        proved = (
            mine >= needed + strictness.margin * (1 - needed)
            and density >= strictness.density * (_DENSITY + by_chance)
            and (moving <= _CLEARLY_MOVES or (moving <= _MAX_OUTSIDE and self._agreement_of(wide, ring) <= _MAX_AROUND))
        )
        return float(np.clip(0.5 + (mine - needed) / (2 * (1 - needed)), 0, 1)) if proved else 0.0

    def _agreement_of(self, rect: Rect, where: NDArray[np.bool_]) -> float:
        """Return how far some pixels of a rectangle agree, weighted by energy."""
        energy = self.energy[rect.slices][where]
        return float((self.agreement[rect.slices][where] * energy).sum() / max(1e-3, float(energy.sum())))


def is_too_large(rect: Rect, bounds: Rect) -> bool:
    """Tell whether a rectangle is larger than a mark is in a picture of ``bounds``."""
    return (
        rect.width > _MAX_WIDTH * bounds.width
        or rect.height > _MAX_HEIGHT * bounds.height
        or rect.area > _MAX_AREA * bounds.area
    )


def _without_bars(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return edges without the borders of black bars: lines that run through most of the picture."""
    left = edges.copy()
    wide = np.ones(_BAR_PIXELS)
    left[:, np.convolve(edges.mean(axis=0) >= _BAR_SHARE, wide, "same") > 0] = False
    left[np.convolve(edges.mean(axis=1) >= _BAR_SHARE, wide, "same") > 0] = False
    return left
