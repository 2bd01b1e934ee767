"""Grain of what was filled: as much as around it, the same for the same frame and place, none on clean material."""

from dataclasses import replace

import cv2
import numpy as np

from gpu_worker.fill.chunk import Filled, Surroundings
from gpu_worker.fill.grain import with_grain
from gpu_worker.fill.windows import Occlusion
from tests.unit.captions.drawn import Drawn, moving, with_captions
from tests.unit.fill.test_eraser import erased, event_of, mask_in, shots

MASK = np.zeros((80, 160), dtype=bool)
MASK[30:50, 40:120] = True


def grainy(deviation, grain, offset=0):
    """Return a filled frame whose true pixels have grain and whose filled ones have none."""
    noise = np.random.default_rng(3).normal(0, deviation, (80, 160))
    slope = np.linspace(60, 180, 160 + offset)[offset:]
    luma = np.clip(np.where(MASK, slope, slope + noise) + 0.5, 0, 255).astype(np.uint8)
    chroma = np.full((40, 80), 128, np.uint8)
    surroundings = Surroundings(luma, chroma, chroma, 8, Occlusion(MASK))
    return Filled(surroundings, np.ones(MASK.shape, dtype=bool), np.zeros(surroundings.occlusion.indices.size), grain)


def fineness(luma, where):
    picture = luma.astype(np.float32)
    return float((picture - cv2.GaussianBlur(picture, (0, 0), 1.5))[where].std())


def test_what_was_filled_gets_the_grain_around_it() -> None:
    filled = grainy(1.6, 1.6**2)
    done = with_grain(filled, (0, 0), 7).surroundings
    inner = cv2.erode(MASK.astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert fineness(filled.surroundings.y, inner) < 0.5
    # White noise has more of what is finest than the pattern, which is as soft as a codec leaves grain.
    assert 0.6 < fineness(done.y, inner) / fineness(done.y, ~MASK) < 1.1
    np.testing.assert_array_equal(done.y[~MASK], filled.surroundings.y[~MASK])


def test_the_pattern_is_that_of_the_frame_and_the_place() -> None:
    filled = grainy(2, 4)
    first, again, next_frame = (with_grain(filled, (16, 8), index).surroundings.y for index in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert (first[MASK] != next_frame[MASK]).mean() > 0.3


def test_nothing_is_added_to_clean_material_nor_to_a_texture_that_stays() -> None:
    for filled in (grainy(0, 4), grainy(4, 0.1)):
        assert with_grain(filled, (0, 0), 7) is filled


def test_a_grainy_film_keeps_its_grain_under_a_caption() -> None:
    chance = np.random.default_rng(5)

    def noisy(frame):
        return replace(frame, y=np.clip(frame.y + chance.normal(0, 1.5, frame.y.shape), 0, 255).astype(np.uint8))

    frames = [noisy(frame) for frame in moving(30, 0)]
    captioned, opacities = with_captions(frames, (Drawn("Grain", 4, 26),))
    event = event_of(opacities, 4, 26)
    done = erased(captioned, (event,), shots(0, end=30))
    where = mask_in(event, frames[0])
    kept = [
        np.subtract(done[index].y, done[index - 1].y, dtype=float)[where].std()
        / np.subtract(frames[index].y, frames[index - 1].y, dtype=float)[where].std()
        for index in range(8, 22)
    ]
    assert 0.6 < np.mean(kept) < 1.2
