"""Marks that come and go at once, or jump: before a camera that stands still nothing else does, twice and just alike.

A camera that stands still has no views by which a mark could be told from the scene. But a mark that is switched on
changes its place from one sample to the next, and nothing before and after; a thing that moves there does not. Things
are put down and lifted as well, so that the same picture must come a second time, or go on elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.candidates import lie_on_each_other, place_in
from gpu_worker.icons.overlay import Found, groups_of, is_too_large
from gpu_worker.icons.sample import Gradients
from gpu_worker.icons.shapes import closed, without_holes
from gpu_worker.icons.template import Template
from gpu_worker.video.rect import Rect

#: Samples that are alike before a switch, and after it.
_CALM_SAMPLES = 3
#: An edge is switched if it changes by so many levels per pixel, and its energy by so many times more than that of the
#: samples before and after differs; where edges hang together, on the whole by still more.
_MIN_EDGE_LEVELS = 2.5
_CHANGES_OVER_NOISE = 12.0
_MAX_NOISE = 0.03
#: If so much of the picture's structure changes, it is a cut.
_CUT_SHARE = 0.3
#: A mark has at least so many pixels of edge; they fill more of its ground than the outlines of a thing do.
_MIN_EDGE_PIXELS = 40
_MIN_DENSITY = 0.25
#: What a lamp shows is where its edges were before: they are the mark's if this share of their energy is new.
_MIN_NEW = 0.6
#: Share of an edge's energy that is there without the mark, from which it is taken for the scene's.
_MAX_HIDDEN = 0.5
#: Two switches show the same picture if it is this much alike, and of about the same size.
_SAME_PICTURE = 0.8
_SAME_SIZE = 1.5
#: Sizes of a mark that jumps, as shares of what it was, and how alike it must be there.
_JUMP_SHARES = (0.85, 0.88, 0.91, 0.94, 0.97, 1.0, 1.03, 1.06, 1.1, 1.13, 1.17)
_JUMP_LIKENESS = 0.7
#: Switches that are remembered until one like them comes.
_REMEMBERED = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Switch:
    """A place that changed at once before sample ``at``: what is seen there while it is on, be that before or after."""

    at: int
    comes: bool
    look: Found


class Switches:
    """Takes samples in order, and tells which places are switched more than once with the same picture."""

    def __init__(self) -> None:
        self._samples: deque[Gradients] = deque(maxlen=2 * _CALM_SAMPLES)
        self._taken = 0
        self._earlier: deque[_Switch] = deque(maxlen=_REMEMBERED)

    def add(self, gradients: Gradients) -> list[Found]:
        """Take a sample's gradients (6, h, w), and return the marks that are thereby known to be switched."""
        self._samples.append(gradients)
        self._taken += 1
        if len(self._samples) < 2 * _CALM_SAMPLES:
            return []
        found: list[Found] = []
        for switch in _switches_in(list(self._samples), self._taken - _CALM_SAMPLES):
            for other in self._earlier:
                likeness = _likeness(switch, other)
                if likeness > 0:
                    found += [replace(look, confidence=likeness) for look in (other.look, switch.look)]
            self._earlier.append(switch)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """What some samples have in common before a moment, and after it: ``means`` and ``energies`` of luma's edges.

    ``change`` (h, w) is the energy by which the two differ, ``noise`` that by which the samples of either do.
    """

    samples: tuple[list[Gradients], list[Gradients]]
    means: tuple[NDArray[np.float32], NDArray[np.float32]]
    energies: tuple[NDArray[np.float32], NDArray[np.float32]]
    change: NDArray[np.float32]
    noise: NDArray[np.float32]

    @classmethod
    def of(cls, before: list[Gradients], after: list[Gradients]) -> _Change:
        means, noises = [], []
        for samples in (before, after):
            luma = [sample[:2] for sample in samples]
            mean = np.asarray(np.mean(luma, axis=0, dtype=np.float32))
            noises.append(np.max([_squared(edges - mean) for edges in luma], axis=0))
            means.append(mean)
        change, energies = _squared(means[1] - means[0]), (_squared(means[0]), _squared(means[1]))
        return cls((before, after), (means[0], means[1]), energies, change, noises[0] + noises[1])

    @property
    def edges(self) -> NDArray[np.bool_]:
        """Return which pixels (h, w) are edges that change at once; none where the whole picture does."""
        least = _MIN_EDGE_LEVELS**2
        edges = (self.change >= least) & (self.change >= _CHANGES_OVER_NOISE * self.noise)
        structured = np.maximum(*self.energies) >= least
        return edges if edges.sum() <= _CUT_SHARE * structured.sum() else np.zeros_like(edges)

    def look_at(self, rect: Rect, edges: NDArray[np.bool_]) -> tuple[bool, Found] | None:
        """Return whether a mark comes or goes in a rectangle with edges that change, and its look; None without one."""
        if self.noise[rect.slices][edges].sum() > _MAX_NOISE * self.change[rect.slices][edges].sum():
            return None
        outline = _outline(edges)
        energies = [energy[rect.slices] for energy in self.energies]
        comes = bool(energies[1][outline].sum() >= energies[0][outline].sum())
        on, off = (self.means[half][(slice(None), *rect.slices)] for half in (comes, not comes))
        if not _is_new(on, off, edges):
            return None
        shown = np.mean([sample[(slice(None), *rect.slices)] for sample in self.samples[comes]], axis=0)
        # Edges of the scene that a mark hides say nothing of it.
        own = edges & (energies[not comes] <= _MAX_HIDDEN * energies[comes])
        return comes, Found(
            rect, Template.of(np.asarray(shown, np.float32), own), 0.0, is_switched=True, is_in_views=False
        )


def _squared(gradients: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.einsum("phw,phw->hw", gradients, gradients))


def _switches_in(samples: list[Gradients], at: int) -> Iterator[_Switch]:
    """Yield what is switched between the first and the second half of some samples."""
    change = _Change.of(samples[:_CALM_SAMPLES], samples[_CALM_SAMPLES:])
    edges = change.edges
    bounds = Rect(0, 0, edges.shape[1], edges.shape[0])
    for group in groups_of(edges):
        if is_too_large(group.rect, bounds):
            continue
        if group.edges.sum() < max(_MIN_EDGE_PIXELS, _MIN_DENSITY * group.ground.sum()):
            continue
        seen = change.look_at(group.rect, group.edges)
        if seen is not None:
            yield _Switch(at, *seen)


def _outline(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the outline of what some edges enclose: a mark has edges there; inside, the scene may well have more."""
    filled = np.pad(without_holes(closed(edges)), 2).astype(np.uint8)
    inner = cv2.erode(filled, np.ones((3, 3), np.uint8))
    outer = cv2.dilate(filled, np.ones((3, 3), np.uint8))
    return np.asarray((outer != inner)[2:-2, 2:-2])


def _is_new(on: NDArray[np.float32], off: NDArray[np.float32], edges: NDArray[np.bool_]) -> bool:
    """Tell whether edges are others than those that are there without: a lamp has the same ones, only fainter."""
    common = float((on * off).sum(axis=0)[edges].sum())
    own, before = float((on**2).sum(axis=0)[edges].sum()), float((off**2).sum(axis=0)[edges].sum())
    return 1 - common**2 / max(1e-6, own * before) >= _MIN_NEW


def _likeness(switch: _Switch, other: _Switch) -> float:
    """Return how like each other the pictures of two switches are, 0-1; 0 where they are two, or of one stay."""
    mine, theirs = switch.look.rect, other.look.rect
    if lie_on_each_other(mine, theirs) and (switch.at == other.at or (other.comes and not switch.comes)):
        return 0.0
    for one, two in ((mine.width, theirs.width), (mine.height, theirs.height)):
        if max(one, two) > _SAME_SIZE * min(one, two):
            return 0.0
    shown = other.look.template
    if switch.at == other.at and switch.comes != other.comes:
        # What goes here and comes there in the same moment is one mark, be it a little larger there.
        alike = max(place_in(switch.look, shown.resized(share))[1] for share in _JUMP_SHARES)
        return alike if alike >= _JUMP_LIKENESS else 0.0
    alike = place_in(switch.look, shown)[1]
    return alike if alike >= _SAME_PICTURE else 0.0
