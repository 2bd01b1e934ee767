"""A mark whose picture is known, laid onto what is seen of it: where exactly, and how much shines through."""

import cv2
import numpy as np
import pytest

from domain.job import IconKind
from gpu_worker.icons.appearance import Appearance
from gpu_worker.icons.known import known_appearance
from gpu_worker.icons.library import library_entry, platform_marks
from gpu_worker.icons.matching import Match
from gpu_worker.video.rect import Rect
from tests.unit.captions.drawn import moving
from tests.unit.icons.drawn import alpha_at, logo, png_of, with_logo

PLACE = Rect(20, 14, 84, 54)
SIZE = (80, 120)


def ring():
    return library_entry("Ring TV", IconKind.TV, png_of(logo()))


def seen_at(opacity):
    """Return a logo over a picture that stands still, as its pieces show it, and its own opacity."""
    (frame,), alpha = with_logo(moving(1, 0.0), lambda _: (PLACE.x0, PLACE.y0), opacity)
    height, width = SIZE
    chroma = [cv2.resize(plane, (2 * plane.shape[1], 2 * plane.shape[0])) for plane in (frame.u, frame.v)]
    mean = np.stack([plane[:height, :width].astype(np.float32) for plane in (frame.y, *chroma)])
    nothing = np.zeros(SIZE, dtype=bool)
    full = np.zeros(SIZE, np.float32)
    full[PLACE.slices] = alpha
    return Appearance(nothing, nothing, nothing, mean, agreement=1.0, around=1.0, shift=0.0), full


def visible():
    """Return where the visible part of the ring's picture lies: the library has cut the rest away."""
    rows, columns = (np.flatnonzero((logo()[..., 3] >= 16).any(axis=axis)) for axis in (1, 0))
    inside = Rect(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return inside.shifted(PLACE.x0, PLACE.y0)


@pytest.mark.parametrize("opacity", [0.3, 0.6])
@pytest.mark.parametrize("off", [0, 1])
def test_opacity_is_the_pictures_times_one_number(opacity, off):
    seen, alpha = seen_at(opacity)
    entry = ring()
    known = known_appearance(seen, Match(entry, visible().shifted(off, -off), 0.9), 2)
    assert known.opacity is not None
    assert known.colour is not None
    assert np.abs(known.opacity - alpha)[alpha > 0].mean() < 0.07
    assert (known.ink & (alpha > 0.1)).sum() / (alpha > 0.1).sum() > 0.98
    # The ring is light, whatever it stands on.
    assert known.colour[0][alpha > 0.95 * opacity].min() > 150


def test_an_opaque_one_lets_nothing_through():
    seen, _ = seen_at(1.0)
    entry = ring()
    assert known_appearance(seen, Match(entry, visible(), 0.9), 2).opacity is None


def test_of_a_silhouette_no_colour_is_known():
    seen, _ = seen_at(0.5)
    mark = platform_marks()[0]
    height = PLACE.height
    width = round(height * mark.picture.shape[1] / mark.picture.shape[0])
    known = known_appearance(seen, Match(mark, Rect(20, 14, 20 + width, 14 + height), 0.9), 2)
    assert known.opacity is None
    assert known.ink[PLACE.y0 : PLACE.y1, 20 : 20 + width][alpha_at(mark, width, height) > 0.5].all()
