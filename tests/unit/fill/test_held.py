"""What was made up is held, follows the light of what is beside it, and gives way to what comes in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpu_worker.fill.chunk import Filled, Surroundings
from gpu_worker.fill.held import Inventor, hold_run
from gpu_worker.fill.motion import Affine, PairMotion
from gpu_worker.fill.spatial import fill_smoothly
from gpu_worker.fill.structure import Continued
from gpu_worker.fill.windows import Occlusion

HEIGHT, WIDTH = 64, 128
HOLE = np.zeros((HEIGHT, WIDTH), dtype=bool)
HOLE[20:44, 24:104] = True
MADE_UP = 40


def seen(light: np.ndarray) -> Filled:
    """A grey scene in some light (h, w), of which a hole was filled smoothly and nothing is known."""
    occlusion = Occlusion(HOLE)
    luma = fill_smoothly((120 + light).astype(np.float32), HOLE)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    here = Surroundings((luma + 0.5).astype(np.uint8), chroma, chroma, 8, occlusion)
    return Filled(here, ~HOLE, np.zeros(occlusion.indices.size, np.float32))


def with_a_pattern(here: Surroundings, hole: np.ndarray) -> Continued:
    pattern = here.y + np.where(np.arange(WIDTH) // 4 % 2, MADE_UP, 0)
    return Continued(replace(here, y=np.where(hole, pattern, here.y).astype(np.uint8)), painted=False)


def held(lights: list[np.ndarray]) -> list[np.ndarray]:
    """The luma of each frame, standing still."""
    zeros = np.zeros((HEIGHT // 2, WIDTH // 2, 2), np.float16)
    still = PairMotion(zeros, zeros, *(Affine(np.zeros((3, 2), np.float32)),) * 2, step=2)
    motions = [None, *[still] * (len(lights) - 1)]
    frames, _ = hold_run(map(seen, lights), 0, motions, (None, None), Inventor(with_a_pattern))
    return [frame.surroundings.y.astype(float) for frame in frames]


def test_what_is_made_up_stays_as_it_is() -> None:
    first, *later = held([np.zeros((HEIGHT, WIDTH))] * 10)
    assert np.ptp(first[32, 40:80]) == MADE_UP
    assert all(np.array_equal(frame, first) for frame in later)


def test_light_that_falls_on_one_side_falls_on_what_is_held_there() -> None:
    # Brighter by half a level a frame at the left end, not at all at the right one.
    across = np.linspace(1, 0, WIDTH)[None] * np.ones((HEIGHT, 1))
    frames = held([number / 2 * across for number in range(25)])
    change = frames[-1] - frames[0]
    assert np.abs(change - 12 * across)[HOLE].max() < 1.5
    # The pattern is what it was.
    assert abs(np.ptp(frames[-1][32, 44:52]) - MADE_UP) < 4


def test_what_is_held_gives_way_where_another_thing_comes_in_beside_it() -> None:
    dark = np.zeros((HEIGHT, WIDTH))
    dark[12:52, :28] = -80
    frames = held([np.zeros((HEIGHT, WIDTH))] * 4 + [dark] * 4)
    steps = np.abs(np.diff(frames[-1][32]))
    assert steps[24:32].max() < MADE_UP / 3
    assert steps[88:100].max() > MADE_UP / 2
