"""How much a translucent mark lets through, and its colour, to the pixel, from pieces in which what is behind moves.

What is seen is ``(1 - opacity) * clean + opacity * colour``. Opacity is told by how much less changes inside than right
outside, of all pixels of one tone together; it is at least what it takes to make white of what is behind. Inks are few
and flat: at outlines and in thin strokes a pixel is covered as far as it is on the way from what is behind to the ink.
What the mark adds, given its opacity, is told by gradients (``shared_layer``), and with that what is behind on the
average, be it as uneven as it may.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.shapes import MIN_SPECK, filled_in, grown
from gpu_worker.icons.shared_layer import LEAST_CLEAR, distinct_weights, layer_over

#: A ring in which less than this changes, in levels, tells nothing by change.
LIVELY_LEVELS = 3.0
#: A mark that lets less than this through is opaque; what moves behind must be recognised by this correlation.
_MIN_TRANSPARENCY, _MIN_SEEN_THROUGH = 0.15, 0.45
#: One that dims what is behind it by less than this only lightens it: what it adds cannot be told from the picture.
_MIN_OPACITY = 0.12
#: Of strokes nowhere wider than two pixels it is not known whether they let through, or cover in part: this share of a
#: core has core all around.
_WIDE_SHARE = 0.1
#: Pieces in which what moves behind is looked for.
_RECOGNISED_PIECES = 12
#: Tones lie so many levels apart, and a pixel is of one by how near it is, in levels; so many are told apart.
_TONE_APART, _TONE_LEVELS, _MAX_TONES = 14.0, 9.0, 6
#: Pixels by which tones are looked for, as more do not change them; steps towards the middle of one; and how far around
#: it, as a share of that, pixels are of none that is yet to be found.
_TONE_PIXELS, _TONE_ROUNDS, _CLEARED = 200, 3, 1.5
#: Deeper inside than some times so many pixels, what is right outside says little.
_NEAR_PIXELS = 2.5
#: A tone has the opacity of all by this share of what is known of all.
_SHARED_OPACITY = 0.05
#: ... and another one than the rest if that is so far off and so many pixels say so: letters on a plate.
_OWN_OPACITY, _OWN_PIXELS = 0.2, 60
#: Thin parts that dim less than this share of the rest are what outlines leave between letters; thin is what keeps no
#: more than this share of itself when its outline is taken off.
_WEAK_SHARE, _THIN_SHARE = 0.65, 0.15
#: What dims by this share of what the whole does is of it.
_CORE_SHARE = 0.4
#: Rounds in which the mark's shape is made out, and how far it reaches beyond its core.
_ROUNDS, _REACH_PIXELS = 2, 2
#: Deeper inside than this, in pixels, nothing is covered in part.
_OUTLINE_PIXELS = 3.5
#: Covered by less than this, a pixel is not of the mark; by more than that it is of its core.
_LEAST_COVERED, _MOSTLY_COVERED = 0.1, 0.7
#: A stroke apart from the core is covered by so much at its middle, and differs by so many times what is by chance.
_STROKE_COVERED, _STROKE_DIFFERS = 0.4, 2.0
#: An ink nearer to what is behind than this, in levels, does not tell how far it covers; further than that it does.
_UNCLEAR_LEVELS, _CLEAR_LEVELS = 5.0, 25.0
#: A pixel may be covered if it differs by so many levels, by so many times what is by chance, and by this share of what
#: the mark's pixels differ by, or by so many levels: a plate does by much less than the letters on it.
_MIN_INK_LEVELS, _OVER_CHANCE, _INK_SHARE, _PLATE_LEVELS = 3.0, 2.0, 0.25, 20.0

_Mask = NDArray[np.bool_]
_Plane = NDArray[np.float32]
_Planes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """What a mark adds: ``opacity`` (h, w) 0-1, and ``colour`` (3, h, w) in levels, Y, U, V.

    Where it hardly covers a pixel, colour is whatever gives the levels that are added; it may lie out of range.
    """

    opacity: _Plane
    colour: _Planes


def seen_through(planes: NDArray[np.float32], ground: _Mask, halo: int) -> Matte | None:
    """Return what a translucent mark adds; None where nothing shines through it, or nothing moves behind.

    Args:
        planes: (n, 3, h, w) of pieces.
        ground: (h, w) where the mark lies, roughly; what of it does not turn out to be dimmed gets an opacity of 0.
        halo: pixels around it that the codec has changed as well.
    """
    mean = np.asarray(planes.mean(axis=0), dtype=np.float32)
    deviations = planes[:, 0] - mean[0]
    power = np.asarray((deviations**2).mean(axis=0), dtype=np.float32)
    hole = grown(ground, halo)
    if hole.all() or float(filled_in(power, hole)[ground].mean()) < LIVELY_LEVELS**2:
        return None
    weights = distinct_weights(planes[:, 0], hole)
    differs = layer_over(planes, np.zeros_like(mean), hole, weights)
    ink = ground & _stands_out(differs, ground, hole)
    hole, body = grown(ink, halo), _eroded(ink)
    if body.sum() < MIN_SPECK or not _moves_behind(deviations, power, body, hole, halo):
        return None
    clean = mean - differs
    tones = _Tones.of(mean, clean, power, hole, core=body, margin=halo)
    core = body & (tones.measured >= _CORE_SHARE * tones.usual)
    shape = grown(core, _REACH_PIXELS) & grown(ink, 1)
    for _ in range(_ROUNDS):
        if core.sum() < MIN_SPECK:
            return None
        inks = _Inks.of(mean, clean, power, core, shape)
        covered, core = inks.coverage(mean, clean, ink, shape)
        shape = covered > 0
        opacity = np.where(shape, np.maximum(inks.opacity * covered, _least_opacity(mean[0], clean[0])), 0)
        opacities = _of_samples(opacity.astype(np.float32))
        added = layer_over(planes, opacities, grown(shape, 1), weights)
        clean = (mean - added) / np.maximum(1 - opacities, np.float32(LEAST_CLEAR))
    # Between the strokes of an opaque mark something moves as well, but not behind them.
    if not _is_translucent(opacity, core) or not _moves_behind(deviations, power, core, grown(shape, 1), 1):
        return None
    colour = np.asarray(added / np.maximum(opacities, np.float32(1e-3)), dtype=np.float32)
    return Matte(opacities[0], colour)


def _is_translucent(opacity: _Plane, core: _Mask) -> bool:
    """Tell whether a mark lets through what is behind its core, and not only beside strokes too thin to have one."""
    if _eroded(core).sum() < max(MIN_SPECK, _WIDE_SHARE * core.sum()):
        return False
    return _MIN_OPACITY <= float(np.median(opacity[core])) <= 1 - _MIN_TRANSPARENCY


def _stands_out(differs: _Planes, ground: _Mask, hole: _Mask) -> _Mask:
    """Return where pixels differ (3, h, w) by more than chance has it, and as a mark's do: each plane for itself.

    Of few scenes, luma is told less well than chroma; what hardly shows in luma may well do in chroma.
    """
    size, ring = np.abs(differs), hole & ~grown(ground, 1)
    chance = np.percentile(size[:, ring], 75, axis=1) if ring.any() else np.zeros(len(size))
    usual = np.percentile(size[:, ground], 90, axis=1)
    least = np.maximum(_OVER_CHANCE * chance, np.minimum(_INK_SHARE * usual, _PLATE_LEVELS))
    return np.asarray((size >= np.maximum(_MIN_INK_LEVELS, least)[:, None, None]).any(axis=0))


def _of_samples(opacity: _Plane) -> _Planes:
    """Return the opacity (3, h, w) of the samples of Y, U, V: one of chroma is of four pixels, and as their mean."""
    height, width = opacity.shape
    even = np.pad(opacity, ((0, height % 2), (0, width % 2)), mode="edge")
    few = cv2.resize(even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA)
    chroma = few.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return np.stack((opacity, chroma, chroma))


@dataclass(frozen=True, slots=True, eq=False)
class _Tones:
    """How much changes inside of a mark, beside what does outside, by tone.

    ``measured`` (h, w) is the opacity of each pixel's tone, ``usual`` that of all together, and ``level`` (h, w) that
    one but for tones that have clearly another. ``weight`` (h, w) is how much each pixel counts. ``weak`` (h, w) are
    pixels of thin parts that dim much less than the rest.
    """

    measured: _Plane
    level: _Plane
    usual: float
    weight: _Plane
    weak: _Mask

    @staticmethod
    def of(mean: _Planes, clean: _Planes, power: _Plane, hole: _Mask, *, core: _Mask, margin: int) -> _Tones:
        """Compare what changes, tone by tone: the ratio is that of sums, as of few pixels it is uncertain.

        Pixels are of one tone if the mark adds the same to them.

        Args:
            mean: (3, h, w) as it is seen, in levels.
            clean: (3, h, w) what is behind.
            power: (h, w) of what changes, in levels squared.
            hole: (h, w) what is not outside of the mark.
            core: (h, w) the pixels that are compared.
            margin: pixels from the mark's outline to the hole's.
        """
        weight = np.where(core, _nearness(hole, margin), np.float32(0))
        tone = mean - clean
        likeness = _likeness(tone, _main_tones(tone[:, core].T))
        inside = np.einsum("khw,hw->k", likeness, weight * power)
        expected = np.einsum("khw,hw->k", likeness, weight * np.maximum(filled_in(power, hole), 0))
        everything = max(1e-3, float(expected.sum()))
        ratio = float(inside.sum()) / everything
        shared = _SHARED_OPACITY * everything
        each = 1 - np.sqrt(np.clip((inside + shared * ratio) / (expected + shared), 0, 1))
        amounts = np.einsum("khw,hw->k", likeness, weight)
        least = np.einsum("khw,hw->k", likeness, weight * _least_opacity(mean[0], clean[0])) / np.maximum(amounts, 1e-6)
        each = np.maximum(each, least)
        usual = max(1 - float(np.sqrt(np.clip(ratio, 0, 1))), float(least[amounts >= MIN_SPECK].max(initial=0)))
        nearest = likeness.argmax(axis=0)
        weak = np.zeros_like(core)
        for number in np.flatnonzero(each < _WEAK_SHARE * usual):
            mine = core & (nearest == number)
            if _eroded(mine).sum() < _THIN_SHARE * mine.sum():
                weak |= mine
        own = (np.abs(each - usual) > _OWN_OPACITY) & (amounts > _OWN_PIXELS)
        measured, level = (np.einsum("k,khw->hw", values, likeness) for values in (each, np.where(own, each, usual)))
        return _Tones(np.asarray(measured, np.float32), np.asarray(level, np.float32), usual, weight, weak)


@dataclass(frozen=True, slots=True, eq=False)
class _Inks:
    """The inks of a mark, which are flat.

    ``opacity`` (h, w) and ``colour`` (3, h, w) are those of the nearest pixel that is covered altogether; ``colours``
    (k, 3) are those of all inks. ``core`` (h, w) is what is covered altogether.
    """

    opacity: _Plane
    colour: _Planes
    colours: _Planes
    core: _Mask

    @staticmethod
    def of(mean: _Planes, clean: _Planes, power: _Plane, core: _Mask, shape: _Mask) -> _Inks:
        """Tell the inks of a mark.

        Args:
            mean: (3, h, w) as it is seen.
            clean: (3, h, w) what is behind.
            power: (h, w) of what changes.
            core: (h, w) what is covered altogether.
            shape: (h, w) what may be covered at all.
        """
        tones = _Tones.of(mean, clean, power, grown(shape, 1), core=core, margin=1)
        core = core & ~tones.weak if (core & ~tones.weak).any() else core
        weight = tones.weight * core
        added = mean - (1 - tones.level) * clean
        likeness = _likeness(added, _main_tones(added[:, core].T))
        shares = likeness * weight
        colours = added / np.maximum(tones.level, np.float32(0.05))
        inks = np.einsum("khw,chw->kc", shares, colours) / np.maximum(1e-6, shares.sum(axis=(1, 2)))[:, None]
        colour = np.einsum("khw,kc->chw", likeness, inks)
        place = _nearest(core)
        return _Inks(
            opacity=tones.level.reshape(-1)[place],
            colour=np.asarray(colour.reshape(3, -1)[:, place], dtype=np.float32),
            colours=np.asarray(inks, dtype=np.float32),
            core=core,
        )

    def coverage(self, mean: _Planes, clean: _Planes, ink: _Mask, shape: _Mask) -> tuple[_Plane, _Mask]:
        """Return how far each pixel is covered (h, w), 0-1, and the core that comes of it.

        Args:
            mean: (3, h, w) as it is seen.
            clean: (3, h, w) what is behind.
            ink: (h, w) where the mark may be.
            shape: (h, w) what may be covered of it at all.
        """
        differs = mean - clean
        covered, off, clear = _share_of_the_way(differs, self.opacity * (self.colour - clean))
        apart = ~grown(self.core, _REACH_PIXELS)
        usual = float(self.opacity[self.core].mean())
        off = np.where(apart, off, 0)
        # A stroke that is nowhere wide has no core: it is of the ink that explains it best.
        for colour in self.colours:
            other, other_off, other_clear = _share_of_the_way(differs, usual * (colour[:, None, None] - clean))
            better = other_off < off
            covered, off, clear = (
                np.where(better, *pair) for pair in ((other, covered), (other_off, off), (other_clear, clear))
            )
        deep = cv2.distanceTransform(np.pad(shape, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1] > _OUTLINE_PIXELS
        covered = np.where(deep & self.core, 1, clear * covered + (1 - clear) * self.core)
        strokes = ink & apart & (covered >= _STROKE_COVERED)
        strokes &= np.square(differs).sum(axis=0) >= (_STROKE_DIFFERS * _chance(mean[0], grown(shape, 1))) ** 2
        covered = np.where(grown(self.core | strokes, _REACH_PIXELS), covered, 0)
        covered[covered < _LEAST_COVERED] = 0
        core = (self.core & deep) | ((self.core | strokes) & (covered > _MOSTLY_COVERED))
        return np.asarray(covered, dtype=np.float32), core


def _least_opacity(mean: _Plane, clean: _Plane) -> _Plane:
    """Return the opacity (h, w) that it takes to make what is seen of ``clean`` luma: no ink is more than white."""
    differs = mean - clean
    room = np.where(differs > 0, 255 - clean, clean)
    return np.asarray(np.clip(np.abs(differs) / np.maximum(room, 1), 0, 1), dtype=np.float32)


def _share_of_the_way(differs: _Planes, full: _Planes) -> tuple[_Plane, _Plane, _Plane]:
    """Return how far pixels are on the way to an ink (h, w), 0-1, how far off that way they are, and how clear it is.

    Args:
        differs: (3, h, w) from what is behind, in levels.
        full: (3, h, w) the same of a pixel that is covered altogether.
    """
    length = np.square(full).sum(axis=0)
    share = np.clip((differs * full).sum(axis=0) / np.maximum(length, 1), 0, 1)
    off = np.square(differs - share * full).sum(axis=0)
    clear = np.clip((np.sqrt(length) - _UNCLEAR_LEVELS) / (_CLEAR_LEVELS - _UNCLEAR_LEVELS), 0, 1)
    return share, off, clear


def _main_tones(values: _Planes) -> _Planes:
    """Return the tones (k, 3) of most of some values (n, 3), in levels, those of most of them first."""
    tones: list[_Planes] = []
    rest = values
    while len(rest) >= MIN_SPECK and len(tones) < _MAX_TONES:
        some = rest[:: -(-len(rest) // _TONE_PIXELS)]
        near = np.square(rest[None] - some[:, None]).sum(axis=-1) < _TONE_APART**2
        tone = some[near.sum(axis=1).argmax()]
        for _ in range(_TONE_ROUNDS):
            tone = rest[np.square(rest - tone).sum(axis=-1) < _TONE_APART**2].mean(axis=0)
        tones.append(tone)
        rest = rest[np.square(rest - tone).sum(axis=-1) >= (_CLEARED * _TONE_APART) ** 2]
    return np.asarray(tones, dtype=np.float32) if tones else values[:1]


def _likeness(values: _Planes, tones: _Planes) -> _Planes:
    """Return how far each pixel (3, h, w) is of each tone (k, 3): (k, h, w), adding up to 1."""
    off = np.square(values - tones[:, :, None, None]).sum(axis=1) / np.float32(2 * _TONE_LEVELS**2)
    likeness = np.exp(off.min(axis=0) - off)
    return np.asarray(likeness / likeness.sum(axis=0), dtype=np.float32)


def _nearest(core: _Mask) -> NDArray[np.intp]:
    """Return the flat position of the core's pixel that is nearest to each one (h, w)."""
    _, labels = cv2.distanceTransformWithLabels(
        (~core).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    places = np.zeros(int(labels.max()) + 1, np.intp)
    places[labels[core]] = np.flatnonzero(core)
    return np.asarray(places[labels], dtype=np.intp)


def _moves_behind(deviations: _Planes, power: _Plane, body: _Mask, hole: _Mask, margin: int) -> bool:
    """Tell whether something moves behind a mark, and is recognised inside: it is as the surroundings let expect."""
    if float(np.median(filled_in(power, hole)[body])) < LIVELY_LEVELS**2:
        return False
    deviations = deviations[:: -(-len(deviations) // _RECOGNISED_PIECES)]
    weight = np.sqrt(_nearness(hole, margin)[body])
    expected = np.stack([weight * filled_in(deviation, hole)[body] for deviation in deviations])
    seen = np.stack([weight * deviation[body] for deviation in deviations])
    spread = float(np.sqrt((expected**2).sum() * (seen**2).sum()))
    return float((expected * seen).sum()) >= _MIN_SEEN_THROUGH * spread


def _nearness(hole: _Mask, margin: int) -> _Plane:
    """Return how much what is right outside says about each pixel of a hole (h, w), 0-1: deep inside it says little.

    ``margin`` is how far the hole reaches beyond what is in question, in pixels.
    """
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(np.exp(-np.maximum(0, depth - margin - 1) / _NEAR_PIXELS), dtype=np.float32)


def _chance(luma: _Plane, hole: _Mask) -> float:
    """Return by how many levels what is carried on into a hole is off: as it is right beside it, root mean square."""
    beside = grown(hole, 2) & ~hole
    return float(np.sqrt(np.square(filled_in(luma, hole | beside) - luma)[beside].mean())) if beside.any() else 0.0


def _eroded(mask: _Mask) -> _Mask:
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)), dtype=bool)
