"""The translucent rectangle behind a caption: where it lies, how opaque it is, and of what colour.

Where a caption comes or goes, the same picture is seen with the plate and without: one straight line takes each pixel
of the one to the other, and the pixels for which it does are the plate's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.captions.band import Picture
from gpu_worker.video.rect import Rect

#: Lines are brought down to about this height in pixels: an edge is found well enough, and quickly.
_LINE_HEIGHT = 24
#: Through a plate more opaque than this too little of the picture comes to work it out.
MAX_OPACITY = 0.85
#: A plate fainter than this is not told from a change of light.
_MIN_OPACITY = 0.12
#: Pixels around the letters that a first estimate needs.
_MIN_PIXELS = 30
_MIN_EDGE_PIXELS = 12
#: What is sure to lie on the plate, if there is one, ends inside of the letters' outlines: share of the line's height.
_INSIDE_SHARE = 0.12
#: A fit is a fit if this share of the change is left unexplained at most, and no more than these levels; what the codec
#: changes anyway is nobody's fault. All over the plate the fit is better than among the letters, or it is a glow.
_MAX_MISFIT_SHARE = 0.35
_MAX_FINAL_MISFIT_SHARE = 0.2
_MAX_MISFIT_LEVELS = 6.0
_CODEC_LEVELS = 1.5
#: What lies some pixels apart on both sides of an edge differs a little anyway.
_MAX_EDGE_MISFIT_LEVELS = 10.0
#: What must change for anything to be told from it, in levels.
_MIN_CHANGE_LEVELS = 3.0
#: Beyond this many levels one reading of a pixel is no better than another: it counts in full.
_CLEAR_LEVELS = 5.0
#: Evidence that a pixel shows the picture itself; a rectangle of which this share does is another shape: a glow.
_CLEARLY_NOT = -0.5
_MAX_BESIDE_SHARE = 0.06
#: What is off by more than this is something else.
_UNEXPLAINED_LEVELS = 15.0
#: A rectangle with a corner that is no plate is none: what speaks against it weighs more.
_AGAINST = -3.0
#: Weight of the belief that plates are black, or white, and grey: it decides where the background is too flat to tell.
_PRIOR_WEIGHT = 1e-3
_BLACK, _WHITE, _GREY = 16.0, 235.0, 128.0
_MAX_LEVEL = 255.0
#: The edge of a plate is sharp: so many pixels off it the picture is one or the other.
_EDGE_PIXELS = 4
#: Pixels beside a plate in which it is looked whether it goes on.
_FLANK = 8
#: Lines across which this share of the greatest change is seen lie on the same edge.
_NEARLY_ALL = 0.9
#: Corners are round: an edge is looked at between them, without this share of its length at either end.
_CORNER_SHARE = 0.25
_MIN_CONTRAST = 0.8
_FIT_ROUNDS = 4

_Planes = NDArray[np.float32]
_Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """The same part of two frames, a few frames apart at most: without a caption, and with it in full."""

    without: Picture
    within: Picture


@dataclass(frozen=True, slots=True, eq=False)
class FoundPlate:
    """A plate at ``rect``, its colour in levels, and ``misfit`` (h, w): where in it is neither plate nor letters."""

    rect: Rect
    opacity: float
    colour: tuple[float, float, float]
    misfit: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    without: _Planes
    within: _Planes

    @property
    def change(self) -> NDArray[np.float32]:
        return _largest(self.within - self.without)

    def misfit(self, line: _Line) -> NDArray[np.float32]:
        return _largest(self.within - line.of(self.without))

    def at(self, where: _Mask) -> _Pair:
        """Return some of the pixels, (3, n)."""
        return _Pair(self.without[:, where], self.within[:, where])


def _largest(difference: _Planes) -> NDArray[np.float32]:
    """Return the largest absolute difference of the three planes."""
    y, u, v = np.abs(difference)
    return np.asarray(np.maximum(np.maximum(y, u), v), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Line:
    """``within = share * without + offset``, one share for all planes."""

    share: float
    offset: tuple[float, float, float]

    def of(self, without: _Planes) -> _Planes:
        offset = np.array(self.offset, np.float32).reshape(3, *[1] * (without.ndim - 1))
        return np.asarray(without * np.float32(self.share) + offset, dtype=np.float32)


def find_plate(crossings: tuple[Crossing, ...], text: Rect, ink: NDArray[np.bool_]) -> FoundPlate | None:
    """Return the plate on which a line of text stands, or None where it stands on nothing, or nothing can be told.

    Args:
        crossings: where the caption comes and where it goes; all of one size.
        text: where the line stands in them.
        ink: (h, w) of their size: letters, outlines and what the codec left around them.
    """
    scale = max(1, text.line_height // _LINE_HEIGHT)
    size = (ink.shape[1] // scale, ink.shape[0] // scale)
    pairs = [_Pair(_planes(crossing.without, size), _planes(crossing.within, size)) for crossing in crossings]
    return _enlarged(_find(pairs, text.shrunk(scale), _shrunk(ink, size)), scale, ink, size)


def find_plate_by_its_edges(samples: tuple[Picture, ...], text: Rect, ink: NDArray[np.bool_]) -> FoundPlate | None:
    """Return the plate on which a line stands that is never seen to come or go, or None where nothing can be told.

    Just inside of each of its four edges the picture is what it is just outside, but for the plate: over texture that
    does not hold, and nothing is found.

    Args:
        samples: the line with some margin, at moments spread over its life.
        text: where the line stands in them.
        ink: (h, w) of their size: letters, outlines and what the codec left around them.
    """
    scale = max(1, text.line_height // _LINE_HEIGHT)
    size = (ink.shape[1] // scale, ink.shape[0] // scale)
    small_ink = _shrunk(ink, size)
    stack = np.stack([_planes(sample, size) for sample in samples])
    core = _core(small_ink, text.shrunk(scale))
    edges = []
    for quarter_turns in range(4):
        turned = core.turned(quarter_turns, *size)
        edges.append(_upper_edge(np.rot90(stack, quarter_turns, (2, 3)), np.rot90(small_ink, quarter_turns), turned))
    upper, right, lower, left = edges
    if upper is None or right is None or lower is None or left is None:
        return None
    pairs = [edge.pair for edge in (upper, right, lower, left)]
    line = _fit(pairs)
    opacity = 1 - line.share
    if opacity < _MIN_OPACITY or not all(
        _is_explained(pair, line, _MAX_FINAL_MISFIT_SHARE, _MAX_EDGE_MISFIT_LEVELS) for pair in pairs
    ):
        return None
    rect = Rect(left.row, upper.row, size[0] - right.row, size[1] - lower.row)
    colour = [float(np.clip(offset / opacity, 0, 255)) for offset in line.offset]
    nothing = np.zeros((rect.height, rect.width), dtype=bool)
    return _enlarged(FoundPlate(rect, opacity, (colour[0], colour[1], colour[2]), nothing), scale, ink, size)


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    """A plate's upper edge: its first row, and pixels (3, n) just outside and just inside of it."""

    row: int
    pair: _Pair


def _upper_edge(stack: _Planes, ink: _Mask, core: Rect) -> _Edge | None:
    """Return the straight line above the letters across which most changes in (t, 3, h, w), the same in all moments."""
    found: list[tuple[float, _Edge]] = []
    columns = slice(core.x0, core.x1)
    for row in range(_EDGE_PIXELS, core.y0 - 2):
        outer, inner = slice(row - 4, row - 2), slice(row + 1, row + 3)
        free = ~(ink[outer, columns].any(axis=0) | ink[inner, columns].any(axis=0))
        if free.sum() < _MIN_EDGE_PIXELS:
            continue
        sides = [stack[:, :, part, columns].mean(axis=2)[:, :, free].transpose(1, 0, 2) for part in (outer, inner)]
        pair = _Pair(*(np.ascontiguousarray(side.reshape(3, -1)) for side in sides))
        found.append((float(np.median(pair.change)), _Edge(row, pair)))
    if not found:
        return None
    most = max(change for change, _ in found)
    # The rows compared lie some pixels apart: as many lines see all of the change, and the edge is in their midst.
    clear = [edge for change, edge in found if change >= _NEARLY_ALL * most]
    return clear[(len(clear) - 1) // 2]


def _shrunk(ink: _Mask, size: tuple[int, int]) -> _Mask:
    return np.asarray(cv2.resize(ink.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 0, dtype=bool)


def _enlarged(found: FoundPlate | None, scale: int, ink: _Mask, size: tuple[int, int]) -> FoundPlate | None:
    """Return a plate found in a picture ``scale`` times smaller, of a ``size``, as it lies in the one of ``ink``."""
    if found is None or scale == 1:
        return found
    small = found.rect
    rect = Rect(
        small.x0 * scale,
        small.y0 * scale,
        ink.shape[1] if small.x1 == size[0] else small.x1 * scale,
        ink.shape[0] if small.y1 == size[1] else small.y1 * scale,
    )
    misfit = cv2.resize(found.misfit.astype(np.uint8), (rect.width, rect.height), interpolation=cv2.INTER_NEAREST)
    return replace(found, rect=rect, misfit=misfit > 0)


def _find(seen: list[_Pair], text: Rect, ink: _Mask) -> FoundPlate | None:
    core = _core(ink, text)
    near = _inside(ink.shape, core) & ~ink
    if near.sum() < _MIN_PIXELS:
        # A word or two leave little between their letters: what lies right beside them may do.
        near = (cv2.dilate(ink.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~ink & _inside(ink.shape, text)
    if near.sum() < _MIN_PIXELS:
        return None
    # Most captions stand on nothing, which a few pixels tell.
    pairs = [_aligned(pair, text, ink) for pair in seen if _may_be_plate(pair.at(near))]
    pairs = [pair for pair in pairs if _is_explained(pair.at(near), _fit([pair.at(near)]), _MAX_MISFIT_SHARE)]
    if not pairs:
        return None
    line = _fit([pair.at(near) for pair in pairs])
    rect = core
    for _ in range(_FIT_ROUNDS):
        evidence = _evidence(pairs, line)
        evidence[ink] = 0
        rect = _best_rectangle(evidence, core)
        inner = _inside(ink.shape, rect) & ~ink & (evidence > _CLEARLY_NOT)
        if inner.sum() < _MIN_PIXELS:
            return None
        line = _fit([pair.at(inner) for pair in pairs])
    opacity = 1 - line.share
    beside = (_evidence(pairs, line) < _CLEARLY_NOT) & ~ink
    is_rectangle = beside[rect.slices].mean() <= _MAX_BESIDE_SHARE and _is_sharp(pairs, line, rect, ink)
    inner = _inside(ink.shape, rect) & ~ink
    is_even = any(_is_explained(pair.at(inner), line, _MAX_FINAL_MISFIT_SHARE) for pair in pairs)
    if opacity < _MIN_OPACITY or not is_rectangle or not is_even:
        return None
    colour = [float(np.clip(offset / opacity, 0, 255)) for offset in line.offset]
    misfit = (np.minimum.reduce([pair.misfit(line) for pair in pairs]) > _UNEXPLAINED_LEVELS) & ~ink | beside
    return FoundPlate(rect, opacity, (colour[0], colour[1], colour[2]), misfit[rect.slices])


def spread_plate(picture: Picture, plate: FoundPlate) -> Picture:
    """Return the picture as if the plate went on to its ends; ``plate`` lies in its coordinates, in part."""
    inside = plate.rect.meet(picture.bounds)

    def spread(plane: NDArray[np.uint8], level: float, scale: int) -> NDArray[np.uint8]:
        done = plane * (1 - plate.opacity) + level * plate.opacity
        part = (
            slice(inside.y0 // scale, (inside.y1 + scale - 1) // scale),
            slice(inside.x0 // scale, (inside.x1 + scale - 1) // scale),
        )
        done[part] = plane[part]
        return np.asarray(done + 0.5, dtype=np.uint8)

    y, u, v = plate.colour
    return Picture(spread(picture.y, y, 1), spread(picture.u, u, 2), spread(picture.v, v, 2))


def plate_border(plate: FoundPlate, halo: int, bounds: Rect) -> tuple[Rect, NDArray[np.uint8]]:
    """Return where and what (h, w), 0 or 255, is to be filled of a plate: its edge, or all where little shows through.

    Args:
        plate: in the coordinates of ``bounds``.
        halo: pixels that the codec spoils around an edge.
        bounds: the picture's.
    """
    outer = plate.rect.grow(halo, bounds)
    mask = np.full((outer.height, outer.width), 255, np.uint8)
    if plate.opacity <= MAX_OPACITY:
        core = plate.rect.grow(-halo, plate.rect)
        if core.area:
            misfit = plate.misfit[core.shifted(-plate.rect.x0, -plate.rect.y0).slices]
            mask[core.shifted(-outer.x0, -outer.y0).slices] = np.where(misfit, 255, 0)
    return outer, mask


def _aligned(pair: _Pair, text: Rect, ink: _Mask) -> _Pair:
    """Return the two pictures moved onto each other and smoothed, the letters left out."""
    size = ink.shape[::-1]
    side = max(3, round(text.line_height / 8) | 1)
    weight = (~ink).astype(np.float32)
    surround = ~(ink | _inside(ink.shape, text.grow(text.line_height, _bounds(ink))))
    without = pair.without
    shift, _ = cv2.phaseCorrelate(without[0], pair.within[0], cv2.createHanningWindow(size, cv2.CV_32F))
    by = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    moved = np.stack([cv2.warpAffine(plane, by, size, borderMode=cv2.BORDER_REPLICATE) for plane in without])
    if surround.any():
        before, after = (np.median(np.abs(planes[0] - pair.within[0])[surround]) for planes in (without, moved))
        without = np.asarray(moved if after < before else without, dtype=np.float32)
    total = np.maximum(cv2.blur(weight, (side, side)), 1e-3)

    def smooth(planes: _Planes) -> _Planes:
        return np.stack([cv2.blur(plane * weight, (side, side)) / total for plane in planes]).astype(np.float32)

    return _Pair(smooth(without), smooth(pair.within))


def _core(ink: _Mask, text: Rect) -> Rect:
    """Return the inner part of a line, sure to lie on its plate; a detector's rectangle may reach beyond that."""
    letters = ink[text.slices]
    rows, columns = np.flatnonzero(letters.any(axis=1)), np.flatnonzero(letters.any(axis=0))
    if not rows.size:
        return text
    extent = Rect(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1).shifted(text.x0, text.y0)
    return extent.grow(-round(_INSIDE_SHARE * text.line_height), extent)


def _planes(picture: Picture, size: tuple[int, int]) -> _Planes:
    """Return y, u and v (3, h, w) at a size (w, h)."""
    y = cv2.resize(picture.y, size, interpolation=cv2.INTER_AREA)
    u, v = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in (picture.u, picture.v))
    return np.stack((y, u, v)).astype(np.float32)


def _fit(pairs: list[_Pair]) -> _Line:
    """Return the line through some pixels (3, n), of which those that do not lie near it are left out."""
    without = np.concatenate([pair.without.T for pair in pairs]).astype(np.float64)
    within = np.concatenate([pair.within.T for pair in pairs]).astype(np.float64)
    colour = np.array([_BLACK if within[:, 0].mean() < without[:, 0].mean() else _WHITE, _GREY, _GREY])
    kept = np.ones(len(without), dtype=bool)
    line = _Line(1.0, (0.0, 0.0, 0.0))
    for _ in range(_FIT_ROUNDS):
        before, after = without[kept].mean(axis=0), within[kept].mean(axis=0)
        varied = without[kept] - before
        spread = float(np.square(varied).sum(axis=1).mean())
        common = float((varied * (within[kept] - after)).sum(axis=1).mean())
        # With the offset at its best for a share, belief asks that (1 - share) * colour be that offset.
        lever = before - colour
        spread += _PRIOR_WEIGHT * float(np.square(lever).sum())
        share = (common + _PRIOR_WEIGHT * float((lever * (after - colour)).sum())) / max(1e-6, spread)
        share = float(np.clip(share, 0, min([1.0, *_shares_of_real_colours(float(before[0]), float(after[0]))])))
        offset = after - share * before
        line = _Line(share, (float(offset[0]), float(offset[1]), float(offset[2])))
        residual = np.abs(within - (without * share + offset)).max(axis=1)
        kept = residual <= max(2.0, 2.5 * float(np.median(residual)))
    return line


def _shares_of_real_colours(before: float, after: float) -> list[float]:
    """Return the largest shares at which a plate that takes one level of luma to another is not beyond black, white."""
    bounds = []
    if before > 0:
        bounds.append(after / before)
    if before < _MAX_LEVEL:
        bounds.append((_MAX_LEVEL - after) / (_MAX_LEVEL - before))
    return bounds


def _may_be_plate(near: _Pair) -> bool:
    """Tell, before the pictures are moved onto each other, whether a plate is possible."""
    return float(np.median(near.change)) >= _MIN_CHANGE_LEVELS and _fit([near]).share < 1 - _MIN_OPACITY / 2


def _is_explained(pixels: _Pair, line: _Line, unexplained: float, most_levels: float = _MAX_MISFIT_LEVELS) -> bool:
    """Tell whether something changed, and the line says how: but for a share of it."""
    change, left = float(np.median(pixels.change)), float(np.median(pixels.misfit(line)))
    if line.share > 1 - _MIN_OPACITY or change < _MIN_CHANGE_LEVELS:
        return False
    return left < min(most_levels, max(unexplained * change, _CODEC_LEVELS))


def _evidence(pairs: list[_Pair], line: _Line) -> NDArray[np.float32]:
    """Return per pixel which explains better what is seen: no plate (down to -3) or the plate (up to 1).

    What neither explains says nothing: the letters of another line, or what has moved.
    """
    total = np.zeros(pairs[0].change.shape, np.float32)
    for pair in pairs:
        change, misfit = pair.change, pair.misfit(line)
        explained = np.minimum(change, misfit) < _UNEXPLAINED_LEVELS
        total += np.where(explained, np.clip((change - misfit) / _CLEAR_LEVELS, _AGAINST, 1), 0)
    return np.asarray(total / len(pairs), dtype=np.float32)


def _best_rectangle(evidence: NDArray[np.float32], core: Rect) -> Rect:
    """Return the rectangle around ``core`` that gathers most evidence, one side after the other until none moves."""
    bounds = _bounds(evidence)
    rect = core
    for _ in range(8):
        columns = evidence[rect.y0 : rect.y1].sum(axis=0)
        x0, x1 = _best_span(columns, core.x0, core.x1)
        rows = evidence[:, x0:x1].sum(axis=1)
        # Where the plate goes on to both sides it is that of another line.
        for flank in (evidence[:, max(0, x0 - _FLANK) : x0], evidence[:, x1 : x1 + _FLANK]):
            if flank.size:
                rows = rows - np.maximum(flank.mean(axis=1), 0) * (x1 - x0)
        y0, y1 = _best_span(rows, core.y0, core.y1)
        moved = Rect(x0, y0, x1, y1).meet(bounds)
        if moved == rect:
            break
        rect = moved
    return rect


def _best_span(sums: NDArray[np.float32], start: int, end: int) -> tuple[int, int]:
    """Return the span around ``start`` to ``end`` over which ``sums`` add up to most."""
    before = np.concatenate(([0.0], np.cumsum(sums[:start][::-1])))
    after = np.concatenate(([0.0], np.cumsum(sums[end:])))
    return start - int(before.argmax()), end + int(after.argmax())


def _is_sharp(pairs: list[_Pair], line: _Line, rect: Rect, ink: _Mask) -> bool:
    """Tell whether the plate is there in full just inside of its edges and not at all just outside: a glow fades."""
    near, far = _EDGE_PIXELS - 1, _EDGE_PIXELS + 2
    across, down = round(_CORNER_SHARE * rect.width), round(_CORNER_SHARE * rect.height)
    x0, y0, x1, y1 = rect.x0 + across, rect.y0 + down, rect.x1 - across, rect.y1 - down
    sides = (
        (Rect(x0, rect.y0 + near, x1, rect.y0 + far), Rect(x0, rect.y0 - far, x1, rect.y0 - near)),
        (Rect(x0, rect.y1 - far, x1, rect.y1 - near), Rect(x0, rect.y1 + near, x1, rect.y1 + far)),
        (Rect(rect.x0 + near, y0, rect.x0 + far, y1), Rect(rect.x0 - far, y0, rect.x0 - near, y1)),
        (Rect(rect.x1 - far, y0, rect.x1 - near, y1), Rect(rect.x1 + near, y0, rect.x1 + far, y1)),
    )
    shares = [[_share_of_plate(pairs, line, part.meet(_bounds(ink)), ink) for part in parts] for parts in sides]
    # Letters may reach to an edge: what lies inside of it cannot be seen at every side.
    inner = [share for share, _ in shares if share is not None]
    outer = [share for _, share in shares if share is not None]
    return bool(inner) and len(outer) >= 2 and min(inner) - max(outer) >= _MIN_CONTRAST


def _share_of_plate(pairs: list[_Pair], line: _Line, part: Rect, ink: _Mask) -> float | None:
    """Return how much of the plate's change is seen in a part: about 1 on the plate, 0 beside it; None if unclear."""
    if part.area == 0:
        return None
    where = _inside(ink.shape, part) & ~ink
    if where.sum() < _MIN_EDGE_PIXELS:
        return None
    seen, expected = [], []
    for pair in pairs:
        pixels = pair.at(where)
        explained = np.minimum(pixels.change, pixels.misfit(line)) < _UNEXPLAINED_LEVELS
        seen.append((pixels.within - pixels.without)[:, explained])
        expected.append((line.of(pixels.without) - pixels.without)[:, explained])
    change, full = np.concatenate(seen, axis=1), np.concatenate(expected, axis=1)
    energy = float(np.square(full).sum())
    if energy <= full.shape[1] * _MIN_CHANGE_LEVELS**2:
        return None
    return float((change * full).sum()) / energy


def _inside(shape: tuple[int, ...], rect: Rect) -> _Mask:
    mask = np.zeros(shape, dtype=bool)
    mask[rect.y0 : rect.y1, rect.x0 : rect.x1] = True
    return mask


def _bounds(array: NDArray[np.bool_] | NDArray[np.float32]) -> Rect:
    return Rect(0, 0, array.shape[1], array.shape[0])
