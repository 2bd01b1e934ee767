"""What may be trained on, and what is made of it."""

from __future__ import annotations

import numpy as np
import pytest

from bench.captioned_clips import encode
from gpu_worker.training.doubling.degradations import clean_pair, degraded_pair
from gpu_worker.training.doubling.pairs import Batches
from gpu_worker.training.photographs import Photograph, list_clips, list_photographs, may_train, read_stills
from gpu_worker.training.resize import resize_bicubic
from tests.unit.captions.drawn import moving


def textured(height=120, width=168):
    rows, columns = np.mgrid[:height, :width]
    return (128 + 60 * np.sin(rows / 7) * np.cos(columns / 5)).astype(np.uint8)


@pytest.mark.parametrize("licence", ["CC0-1.0 (repo LICENSE)", "CC-BY-4.0", "NASA public domain", "CC-BY (stated)"])
def test_permissive_licences_may_train(licence):
    assert may_train(licence)


@pytest.mark.parametrize(
    "licence",
    ["repo GPL-3.0 - test only", "CC-BY-SA-4.0", "CC-BY-NC-2.0", "CC-BY-ND-3.0", "unknown", "CC0 - test only", "MIT"],
)
def test_others_may_not(licence):
    assert not may_train(licence)


def test_only_stills_for_training_are_listed(tmp_path):
    manifest = tmp_path / "MANIFEST.csv"
    rows = [
        ("train/a.jpg", "CC0-1.0"),
        ("train/b.mp4", "CC0-1.0"),
        ("sr/Set5_HR/c.png", "CC0-1.0"),
        ("train/d.png", "test only"),
    ]
    lines = [f"{path},source,{licence},shows,use,1" for path, licence in rows]
    manifest.write_text("path,source,licence,shows,suggested_use,bytes\n" + "\n".join(lines))
    assert [item.path.name for item in list_photographs(manifest)] == ["a.jpg"]
    assert [item.path.name for item in list_clips(manifest)] == ["b.mp4"]


def test_stills_are_spread_evenly_over_a_clip(tmp_path):
    clip = Photograph(tmp_path / "clip.mp4", "CC0-1.0")
    encode(moving(9, 4.0, 64, 48), (64, 48), clip.path)
    first, middle, last = read_stills(clip, 3)
    assert first.shape == (48, 64, 3)
    assert np.abs(first.astype(int) - middle).mean() > 2
    assert np.abs(middle.astype(int) - last).mean() > 2
    assert len(read_stills(clip, 40)) == 9


def test_bicubic_keeps_flat_ground_and_slopes():
    flat = resize_bicubic(np.full((20, 30), 77.0), 0.5)
    assert flat.shape == (10, 15)
    assert np.allclose(flat, 77)
    ramp = np.tile(np.arange(40.0), (20, 1))
    # Pixel centres of the half lie between two of the whole.
    assert np.allclose(resize_bicubic(ramp, 0.5)[5, 4:-4], np.arange(20)[4:-4] * 2 + 0.5)


def test_a_clean_pair_is_the_picture_and_its_half():
    pair = clean_pair(textured(121, 171))
    assert pair.large.shape == (120, 168)
    assert pair.small.shape == (60, 84)


def test_a_degraded_pair_shows_the_same_part_worse():
    large = textured(200, 264)
    for seed in range(4):
        pair = degraded_pair(large, np.random.default_rng(seed))
        assert pair.large.shape == (2 * pair.small.shape[0], 2 * pair.small.shape[1])
        truth = resize_bicubic(pair.large.astype(float), 0.5)
        error = np.abs(pair.small - truth).mean()
        aside, below = np.abs(pair.small[:, 1:] - truth[:, :-1]), np.abs(pair.small[1:] - truth[:-1])
        assert 0.3 < error < min(aside.mean(), below.mean())


def test_the_same_seed_draws_the_same_batches():
    pairs = [clean_pair(textured()), clean_pair(textured(160, 200))]
    one, other = (Batches(pairs, 24, 4, np.random.default_rng(5)) for _ in range(2))
    for first, second in zip(one.draw(), other.draw(), strict=True):
        assert np.array_equal(first, second)
    small, large = one.draw()
    assert small.shape == (4, 1, 24, 24)
    assert large.shape == (4, 1, 48, 48)
    halves = np.stack([resize_bicubic(crop[0].astype(float), 0.5) for crop in large])
    assert np.abs(halves - small[:, 0])[:, 4:-4, 4:-4].mean() < 0.01
