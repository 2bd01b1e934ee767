"""What a translucent mark lets through, and its colour, told from few pictures that are anything but even."""

import cv2
import numpy as np
import pytest

from gpu_worker.icons.opacity import seen_through
from gpu_worker.icons.shapes import grown
from tests.unit.icons.drawn import CORNERS, logo

X, Y = CORNERS[0]
PLACE = (slice(Y, Y + 40), slice(X, X + 64))
SIZE = (80, 120)


def scenes(count, repeats):
    """Return some still shots (n, 3, 80, 120), each ``repeats`` times: broad light and shade, and some texture."""
    chance = np.random.default_rng(7)
    shots = []
    for _ in range(count):
        planes = []
        for spread in (40, 8, 8):
            broad = cv2.GaussianBlur(chance.standard_normal(SIZE).astype(np.float32), (0, 0), 9)
            fine = cv2.GaussianBlur(chance.standard_normal(SIZE).astype(np.float32), (0, 0), 1.5)
            planes.append(120 + spread * (broad / broad.std() + 0.15 * fine / fine.std()))
        shots += [np.clip(np.stack(planes), 0, 255)] * repeats
    return np.stack(shots).astype(np.float32)


def laid_over(clean, alpha, colour):
    """Return pictures with a mark of an ``alpha`` (h, w) and a ``colour`` (3, h, w) over them, as 8 bits hold them."""
    return np.round(clean * (1 - alpha) + alpha * colour).astype(np.float32)


def drawn(opacity):
    """Return the logo's alpha and colour (3, h, w) in its place."""
    picture = logo().astype(np.float32)
    alpha, colour = np.zeros(SIZE, np.float32), np.zeros((3, *SIZE), np.float32)
    alpha[PLACE] = opacity * picture[..., 3] / 255
    colour[:, *PLACE] = np.moveaxis(picture[..., :3], -1, 0)
    return alpha, colour


def error_behind(matte, seen, clean, where):
    """Return by how many levels of luma the pictures behind a matte are off, root mean square."""
    told = (seen[:, 0] - matte.opacity * matte.colour[0]) / (1 - matte.opacity)
    return float(np.sqrt(np.square(told - clean[:, 0])[:, where].mean()))


@pytest.mark.parametrize("opacity", [0.3, 0.6])
def test_a_few_uneven_shots_are_told_from_flat_inks(opacity):
    clean = scenes(4, 6)
    alpha, colour = drawn(opacity)
    seen = laid_over(clean, alpha, colour)
    matte = seen_through(seen, grown(alpha > 0.02, 1), 2)
    assert matte is not None
    assert np.median(matte.opacity[alpha > 0.9 * opacity]) == pytest.approx(opacity, abs=0.1)
    assert error_behind(matte, seen, clean, alpha > 0.02) < 12
    assert matte.opacity[: Y - 4].max() == 0


def test_letters_on_a_plate_have_an_opacity_of_their_own():
    clean = scenes(8, 3)
    alpha, colour = np.zeros(SIZE, np.float32), np.zeros((3, *SIZE), np.float32)
    alpha[PLACE], colour[:, *PLACE] = 0.35, np.array((30, 128, 128)).reshape(3, 1, 1)
    letters = np.zeros(SIZE, dtype=bool)
    letters[Y + 8 : Y + 32, X + 8 : X + 24] = letters[Y + 8 : Y + 32, X + 36 : X + 52] = True
    alpha[letters], colour[0, letters] = 0.8, 235
    matte = seen_through(laid_over(clean, alpha, colour), alpha > 0, 2)
    assert matte is not None
    plate = (alpha > 0) & ~grown(letters, 3)
    assert np.median(matte.opacity[letters]) == pytest.approx(0.8, abs=0.12)
    assert np.median(matte.opacity[plate]) == pytest.approx(0.35, abs=0.1)


def test_what_does_not_dim_is_not_of_the_mark():
    clean = scenes(8, 3)
    alpha, colour = drawn(0.6)
    ink = alpha > 0.02
    ink[Y + 44 : Y + 60, X : X + 40] = True  # scene, taken for ink
    matte = seen_through(laid_over(clean, alpha, colour), ink, 2)
    assert matte is not None
    assert matte.opacity[Y + 46 : Y + 58, X + 2 : X + 38].mean() < 0.1


@pytest.mark.parametrize("opacity", [0.6, 1.0])
def test_nothing_is_told_of_what_hides_all_or_of_a_picture_that_never_changes(opacity):
    alpha, colour = drawn(opacity)
    clean = scenes(8, 3) if opacity == 1 else scenes(1, 24)
    assert seen_through(laid_over(clean, alpha, colour), alpha > 0.02, 2) is None


def test_opaque_strokes_too_thin_to_cover_a_pixel_altogether_are_not_taken_for_translucent():
    clean = scenes(8, 3)
    rows, columns = np.mgrid[:40, :64]
    alpha, colour = np.zeros(SIZE, np.float32), np.zeros((3, *SIZE), np.float32)
    alpha[PLACE] = (columns % 6 < 2) | (rows % 6 < 2)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 0.9)
    colour[0], colour[1:] = 235, 128
    assert seen_through(laid_over(clean, alpha, colour), alpha > 0.02, 2) is None
