"""What pieces of frames tell of a mark."""

import numpy as np
import pytest

from gpu_worker.icons.appearance import measure
from gpu_worker.icons.pieces import Piece
from gpu_worker.video.rect import Rect
from tests.unit.captions.drawn import HEIGHT, moving
from tests.unit.icons.drawn import CORNERS, with_logo

RECT = Rect(0, 0, 120, 80)
FRAMES = 30


def pieces_of(frames):
    pieces = []
    for frame in frames:
        chroma = [np.kron(plane[:40, :60], np.ones((2, 2), np.uint8)) for plane in (frame.u, frame.v)]
        pieces.append(Piece(frame.index, RECT, np.stack([frame.y[RECT.slices], *chroma])))
    return pieces


def near():
    mask = np.zeros((80, 120), dtype=bool)
    mask[14:54, 20:84] = True
    return mask


def test_a_logo_agrees_and_does_not_move():
    frames, alpha = with_logo(moving(FRAMES, 5.0), lambda _: CORNERS[0])
    seen = measure(pieces_of(frames), near(), HEIGHT)
    assert seen is not None
    assert seen.agreement > 0.75
    assert seen.shift < 0.05
    assert seen.around < 0.3
    assert seen.ink[14:54, 20:84][alpha > 0.5].mean() > 0.97


def test_what_the_scene_carries_along_shifts():
    printed, _ = with_logo(moving(1, 0.0), lambda _: CORNERS[0])
    rolled = [np.roll(printed[0].y[RECT.slices], round(index / 4), axis=1) for index in range(FRAMES)]
    grey = np.full((80, 120), 128, np.uint8)
    seen = measure([Piece(index, RECT, np.stack([y, grey, grey])) for index, y in enumerate(rolled)], near(), HEIGHT)
    assert seen is None or seen.shift > 0.4


def test_a_horizon_along_which_the_picture_moves_is_no_mark():
    pieces = []
    for piece in pieces_of(moving(FRAMES, 5.0)):
        planes = piece.planes // 4
        planes[0, 34:] += 100
        pieces.append(Piece(piece.index, RECT, planes))
    assert measure(pieces, near(), HEIGHT) is None


def test_nothing_that_stays_is_nothing():
    assert measure(pieces_of(moving(FRAMES, 9.0)), near(), HEIGHT) is None


def test_what_stays_beside_a_logo_and_leads_away_from_it_is_not_its_own():
    frames, alpha = with_logo(moving(FRAMES, 5.0), lambda _: CORNERS[0])
    pieces = pieces_of(frames)
    for piece in pieces:
        # A pole that stands still runs past the logo, two pixels beside it.
        piece.planes[0, :, 86:90] = 20
    seen = measure(pieces, near(), HEIGHT)
    assert seen is not None
    assert not seen.ink[:8].any()
    assert not seen.ink[62:].any()
    assert seen.ink[14:54, 20:84][alpha > 0.5].mean() > 0.97


def test_a_mark_whose_outline_goes_on_in_a_line_of_the_scene_is_covered_up_to_it():
    rows, columns = slice(24, 54), slice(24, 80)
    pieces = pieces_of(moving(FRAMES, 5.0))
    for piece in pieces:
        piece.planes[0, 20:24] = 20  # a bar that stands still, on top of the mark
        piece.planes[:, rows, columns] = np.array([230, 90, 160]).reshape(3, 1, 1)
    outline = np.zeros((80, 120), dtype=bool)
    outline[rows, columns] = True
    outline[:27, :76] = outline[:50, 28:76] = False  # found without its top
    seen = measure(pieces, outline, HEIGHT)
    assert seen is not None
    assert seen.ink[rows, columns].mean() > 0.97
    assert seen.ink[:18].mean() < 0.02


@pytest.mark.parametrize("opacity", [0.3, 0.6])
def test_opacity_is_that_of_each_pixel(opacity):
    frames, alpha = with_logo(moving(2 * FRAMES, 5.0), lambda _: CORNERS[0], opacity)
    seen = measure(pieces_of(frames), near(), HEIGHT)
    assert seen is not None
    assert seen.opacity is not None
    found = seen.opacity[14:54, 20:84]
    assert np.abs(found - alpha)[alpha > 0].mean() < 0.09
    assert seen.opacity[:8].max() == 0


def test_a_plate_as_bright_as_what_is_behind_is_of_the_mark():
    chance = np.random.default_rng(5)
    plate, letters = np.zeros((80, 120), dtype=bool), np.zeros((80, 120), dtype=bool)
    plate[26:50, 20:90] = True
    letters[32:44, 26:32] = letters[32:44, 44:50] = letters[32:44, 60:66] = True
    colour = np.where(letters, np.array((235, 128, 128)).reshape(3, 1, 1), np.array((90, 98, 128)).reshape(3, 1, 1))
    pieces = []
    for index in range(FRAMES):
        # Two walls with posts before them.
        room = np.full((3, 80, 120), 128.0)
        room[0] = 70 + 10 * (index // 15) + chance.standard_normal((80, 120))
        for left in range(8 + 13 * (index // 15), 115, 40):
            room[0, :, left : left + 6] = 10
        seen = np.where(plate, 0.7 * room + 0.3 * colour, room)
        pieces.append(Piece(index, RECT, seen.astype(np.uint8)))
    found = measure(pieces, plate, HEIGHT)
    assert found is not None
    assert found.opacity is not None
    assert found.mask[plate].all()
    assert np.median(found.opacity[plate]) == pytest.approx(0.3, abs=0.05)
    assert np.mean(found.opacity[plate] > 0.2) > 0.85
    assert found.opacity[:20].max() == 0
