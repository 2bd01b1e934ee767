"""What is known of a mark by how it is switched: gains that are all or nothing, and pixels that differ."""

import numpy as np
import pytest

from gpu_worker.icons.appearance import Appearance
from gpu_worker.icons.pieces import Piece
from gpu_worker.icons.presence import Stay
from gpu_worker.icons.switched import above_off, is_abrupt, is_steady, switched_appearance
from gpu_worker.video.rect import Rect

STAYS = (Stay(0, 40), Stay(60, 100))


def gains_of(*spans):
    gains = np.zeros(100, np.float32)
    for start, end, value in spans:
        gains[start:end] = value
    return gains


def test_a_gain_is_counted_from_what_the_scene_has_of_it():
    gains = above_off(gains_of((0, 40, 1.0), (40, 60, 0.2), (60, 100, 1.0)))
    assert gains[:40] == pytest.approx(1.0)
    assert gains[40:60] == pytest.approx(0.0)


def test_a_mark_is_equally_well_seen_while_it_is_on():
    gains = gains_of((0, 40, 1.0), (60, 100, 0.8))
    assert is_steady(gains, 0, STAYS, 1.0)
    # A cut behind it.
    gains[80:100] = 1.0
    assert is_steady(gains, 0, STAYS, 1.0)
    gains[65:95] += 0.1 * np.random.default_rng(1).standard_normal(30)
    assert not is_steady(gains, 0, STAYS, 1.0)
    assert not is_steady(gains, 0, (), 1.0)


def test_what_is_hidden_little_by_little_is_not_switched():
    gains = gains_of((0, 40, 1.0), (60, 100, 1.0))
    assert is_abrupt(gains, STAYS, 1.0)
    gains[40:50] = np.linspace(0.9, 0.1, 10)
    assert not is_abrupt(gains, STAYS, 1.0)


def test_the_mask_is_what_differs_and_nothing_of_the_scene():
    rect = Rect(0, 0, 80, 60)
    scene = np.full((3, 60, 80), 90, np.uint8)
    scene[0, 5:12, 5:75] = 200
    with_mark = scene.copy()
    with_mark[0, 25:40, 30:55] = 160
    near = np.zeros((60, 80), dtype=bool)
    near[24:41, 29:56] = True
    everything = np.ones((60, 80), dtype=bool)
    seen = Appearance(everything, everything, everything, with_mark.astype(np.float32), 1.0, 1.0, 0.0)
    look = switched_appearance(seen, [(Piece(4, rect, scene), Piece(5, rect, with_mark))], near, 4)
    assert look is not None
    assert look.ink[25:40, 30:55].all()
    assert look.ink.sum() == 15 * 25
    assert look.mask[23:42, 28:57].sum() > look.ink.sum()
    assert not look.mask[:15].any()
    assert switched_appearance(seen, [(Piece(4, rect, scene), Piece(5, rect, scene))], near, 4) is None


def test_what_is_flat_far_within_a_mark_s_edges_is_of_it():
    rect = Rect(0, 0, 80, 60)
    scene = np.full((3, 60, 80), 90, np.uint8)
    with_mark = scene.copy()
    with_mark[0, 10:50, 20:60] = 160
    edges = np.zeros((60, 80), dtype=bool)
    edges[10:50, 20:60] = True
    edges[12:48, 22:58] = False
    everything = np.ones((60, 80), dtype=bool)
    seen = Appearance(everything, everything, edges, with_mark.astype(np.float32), 1.0, 1.0, 0.0)
    look = switched_appearance(seen, [(Piece(4, rect, scene), Piece(5, rect, with_mark))], edges, 4)
    assert look is not None
    assert look.ink[10:50, 20:60].all()
    assert look.ink.sum() == 40 * 40
