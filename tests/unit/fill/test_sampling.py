"""Pixels of other frames at fractions of a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_worker.fill.sampling import Sharp, sampled
from gpu_worker.fill.trails import Sources
from gpu_worker.fill.windows import Occlusion

HEIGHT, WIDTH = 48, 64


def scene(right=0.0, down=0.0):
    """Waves whose finest is four pixels long, displaced."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    waves = np.sin((columns + right) * np.pi / 2) + np.sin((rows + down) * np.pi / 3)
    return (128 + 40 * waves).astype(np.float32)


@pytest.fixture
def here():
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[20:28, 16:40] = True
    return Occlusion(mask)


def sources_at(here, right, down):
    count = here.indices.size
    return Sources(np.zeros(count, np.int16), here.columns + right, here.rows + down, np.ones(count, np.float32))


def both(here, there, sources, plane):
    """Return what either way samples in luma, and what is there."""
    luma = here.points[0]
    stacks = [np.rint(plane).astype(np.uint8)[None]]
    bilinear = sampled(stacks, sources, luma)
    return bilinear, Sharp.of([there]).sampled(stacks, sources, luma, bilinear)


@pytest.mark.parametrize("shift", [(0.5, 0.0), (0.0, 0.5), (0.3, 0.7)])
def test_cubic_samples_are_nearer_to_what_is_there(here, shift):
    nothing = Occlusion(np.zeros((HEIGHT, WIDTH), dtype=bool))
    bilinear, cubic = both(here, nothing, sources_at(here, *shift), scene())
    truth = scene(*shift).reshape(-1)[here.indices]
    assert np.abs(cubic - truth).mean() < 0.5 * np.abs(bilinear - truth).mean()


def test_whole_pixels_are_the_frames_own(here):
    nothing = Occlusion(np.zeros((HEIGHT, WIDTH), dtype=bool))
    bilinear, cubic = both(here, nothing, sources_at(here, 3, -2), scene())
    assert np.array_equal(bilinear, cubic)


def test_what_is_covered_there_is_not_mixed_in(here):
    spoiled = scene()
    covered = np.zeros((HEIGHT, WIDTH), dtype=bool)
    covered[14:18, 16:40] = True
    there = Occlusion(covered)
    spoiled[there.tainted] = 255
    sources = sources_at(here, 0.5, -0.5)
    _, clean = both(here, there, sources, scene())
    bilinear, cubic = both(here, there, sources, spoiled)
    # Two rows below what is covered nothing of it comes in, one row below the four pixels would reach it.
    row = (here.rows - 0.5).astype(int)
    far = row >= np.flatnonzero(there.tainted.any(axis=1)).max() + 2
    near = ~far & (here.columns > 18) & (here.columns < 36)
    assert far.any()
    assert near.any()
    assert np.array_equal(cubic[:, far], clean[:, far])
    assert np.array_equal(cubic[:, near], bilinear[:, near])
