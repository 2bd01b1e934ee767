"""A mark is looked for inside the picture, wherever a part of it was found."""

import cv2
import numpy as np
import pytest

from gpu_worker.icons.following import Follower
from gpu_worker.icons.sample import PLANES, Scale, SmallPicture, gradients_of
from gpu_worker.icons.template import Template
from gpu_worker.video.rect import Rect
from tests.unit.captions.drawn import moving

SCALE = Scale.of(320, 180)


@pytest.mark.parametrize("corner", [(-30, 10), (300, -4), (10, 175)])
def test_a_find_across_the_pictures_edge_is_moved_into_it(corner):
    chance = np.random.default_rng(1)
    template = Template.of(chance.normal(0, 9, (PLANES, 20, 40)).astype(np.float32), np.ones((20, 40), dtype=bool))
    x, y = corner
    follower = Follower(template, (Rect(x, y, x + 40, y + 20),), SCALE, 5)
    frame = moving(1, 0, 320, 180)[0]
    follower.process_frame(frame, SmallPicture.of(frame, SCALE))
    (spot,) = follower.spots[:1]
    assert spot.rect.meet(Rect(0, 0, 320, 180)) == spot.rect
    assert (spot.rect.width, spot.rect.height) == (40, 20)


@pytest.mark.parametrize("place", [(3, 2), (141, 77), (278, 158)])
def test_the_best_place_is_found_at_half_the_size_first(place):
    chance = np.random.default_rng(2)
    mark = cv2.GaussianBlur(chance.normal(0, 60, (20, 40, PLANES)).astype(np.float32), (0, 0), 2).transpose(2, 0, 1)
    template = Template.of(mark, np.ones((20, 40), dtype=bool))
    picture = chance.normal(0, 3, (PLANES, 180, 320)).astype(np.float32)
    x, y = place
    picture[:, y : y + 20, x : x + 40] += mark
    assert template.best_place(picture, 0.72) == place
    picture[:, y : y + 20, x : x + 40] = 0
    assert template.best_place(picture, 0.72) is None


@pytest.mark.parametrize("rect", [Rect(0, 0, 40, 20), Rect(51, 33, 92, 60), Rect(280, 160, 320, 180)])
def test_gradients_of_a_part_are_those_of_the_picture(rect):
    picture = SmallPicture.of(moving(1, 0, 320, 180)[0], SCALE)
    everywhere = gradients_of(picture.planes)
    np.testing.assert_array_equal(picture.gradients_in(rect), everywhere[(slice(None), *rect.slices)])
    np.testing.assert_array_equal(picture.luma_gradients, everywhere[:2])


def test_a_mark_of_less_contrast_is_as_present_if_its_edges_are_alike():
    chance = np.random.default_rng(3)
    mark = chance.normal(0, 20, (PLANES, 20, 40)).astype(np.float32)
    template = Template.of(mark, np.ones((20, 40), dtype=bool))
    noise = chance.normal(0, 1, mark.shape).astype(np.float32)

    def presence(gradients):
        return template.presence_in(gradients, template.gain_in(gradients))

    assert template.gain_in(0.4 * mark + noise) == pytest.approx(0.4, abs=0.02)
    assert presence(0.4 * mark + noise) > 0.9
    # A weak trace among other edges is no presence, nor is next to nothing.
    assert presence(0.4 * mark + 20 * noise) < 0.5
    assert presence(0.1 * mark) == pytest.approx(0.1, abs=0.01)
