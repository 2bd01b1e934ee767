"""Which moments of a clip an acceptance strip shows."""

import numpy as np

from bench.acceptance import Moment, _unrest, _worst

PICTURE = np.zeros((4, 4, 3), np.uint8)


def moment(seconds, *, read=False, detected=False, unrest=0.0):
    return Moment(seconds, (read, detected, unrest), (PICTURE, PICTURE))


def test_text_comes_before_unrest_and_neighbours_are_one():
    moments = [
        moment(0.0, unrest=9.0),
        moment(1.0, detected=True),
        moment(1.1, detected=True, unrest=5.0),
        moment(2.0, read=True, detected=True),
        moment(3.0, unrest=1.0),
    ]
    assert [worst.seconds for worst in _worst(moments)] == [2.0, 1.1, 0.0, 3.0]
    assert len(_worst([moment(float(second)) for second in range(20)])) == 6


def test_unrest_is_what_changes_inside_a_box_and_not_around_it():
    before = np.full((100, 100, 3), 100, np.uint8)
    box = (0.4, 0.4, 0.6, 0.6)
    flickering = before.copy()
    flickering[40:60, 40:60] = 110
    assert _unrest(flickering, before, [box]) == 10
    assert _unrest(before + np.uint8(10), before, [box]) == 0
    assert _unrest(flickering, None, [box]) == 0
