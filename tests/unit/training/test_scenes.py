"""What the fill network is shown, and the truth beside it."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_worker.training.codec import Planes, through_h264
from gpu_worker.training.filling.marks import draw_marks
from gpu_worker.training.filling.scenes import FRAMES, SIDE, make_scene


def photograph(height=400, width=500):
    rows, columns = np.mgrid[:height, :width]
    waves = 128 + 50 * np.sin(rows / 9)[..., None] * np.cos(columns / np.array([6, 8, 11])[:, None, None]).transpose(
        1, 2, 0
    )
    return waves.astype(np.uint8)


def scenes(count=12):
    rng = np.random.default_rng(1)
    return [make_scene(photograph(), rng) for _ in range(count)]


def test_the_same_seed_gives_the_same_scene():
    first, second = (make_scene(photograph(), np.random.default_rng(5)) for _ in range(2))
    assert first.step == second.step
    for one, other in zip(
        (*first.clean, *first.prior, first.mask), (*second.clean, *second.prior, second.mask), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_shapes_are_those_of_three_planes():
    scene = scenes(1)[0]
    assert [plane.shape for plane in scene.clean] == [
        (FRAMES, SIDE, SIDE),
        (FRAMES, SIDE // 2, SIDE // 2),
        (FRAMES, SIDE // 2, SIDE // 2),
    ]
    assert [plane.shape for plane in scene.prior] == [plane.shape for plane in scene.clean]
    assert scene.mask.shape == scene.confidence.shape == (SIDE, SIDE)
    assert scene.chroma_mask.shape == (SIDE // 2, SIDE // 2)


def test_outside_the_mask_the_picture_is_the_coded_one():
    for scene in scenes():
        off = np.abs(scene.prior[0].astype(int) - scene.clean[0])[:, ~scene.mask]
        assert off.mean() < 8, "beside the mask only the codec may have changed anything"
        assert (scene.confidence[~scene.mask] == 255).all()


def test_what_covers_luma_covers_its_colour_and_more():
    for scene in scenes():
        covered = np.repeat(np.repeat(scene.chroma_mask, 2, axis=0), 2, axis=1)
        assert covered[scene.mask].all()
        assert covered.sum() > scene.mask.sum()


def test_some_holes_are_partly_revealed_and_some_not_at_all():
    revealed = [bool((scene.confidence[scene.mask] > 0).any()) for scene in scenes()]
    assert any(revealed)
    assert not all(revealed)


def test_what_is_at_x_was_at_x_plus_step_before():
    for scene in scenes():
        right, down = scene.step
        if right % 1 or down % 1:
            continue
        here, before = scene.clean[0][1].astype(int), scene.clean[0][0].astype(int)
        inner = slice(16, SIDE - 16)
        rows, columns = (slice(16 + int(step), SIDE - 16 + int(step)) for step in (down, right))
        assert np.abs(here[inner, inner] - before[rows, columns]).mean() < 1


def test_the_mask_holds_all_that_is_drawn():
    rng = np.random.default_rng(2)
    for _ in range(30):
        opacity, _, mask = draw_marks(120, 200, rng)
        assert mask[opacity > 0].all()


@pytest.mark.parametrize(("crf", "worst"), [(10, 3.0), (35, 20.0)])
def test_the_codec_keeps_order_and_planes_apart(crf, worst):
    pictures = [
        Planes(
            np.full((64, 96), 60 + 40 * n, np.uint8), np.full((32, 48), 100, np.uint8), np.full((32, 48), 150, np.uint8)
        )
        for n in range(3)
    ]
    for coded, picture in zip(through_h264(pictures, crf, "veryfast"), pictures, strict=True):
        for one, other in zip((coded.y, coded.u, coded.v), (picture.y, picture.u, picture.v), strict=True):
            assert np.abs(one.astype(int) - other).mean() < worst
