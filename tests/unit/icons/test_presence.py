"""When a mark is there, from how much of it is seen."""

import numpy as np
import pytest

from gpu_worker.icons.presence import stays_of


def gains(*parts):
    return np.concatenate([np.full(count, value, np.float32) for value, count in parts])


def spans(values, first_frame=0, usual=1.0):
    return [(stay.start, stay.end) for stay in stays_of(values, first_frame, usual, 25.0)]


def test_hard_ends_are_exact():
    assert spans(gains((0, 20), (1, 30), (0, 25)), first_frame=100) == [(120, 150)]


def test_a_fade_belongs_to_the_stay():
    fade_in, fade_out = np.linspace(0, 1, 11)[1:], np.linspace(1, 0, 11)[1:]
    values = np.concatenate((np.zeros(10), fade_in, np.ones(20), fade_out, np.zeros(10))).astype(np.float32)
    ((start, end),) = spans(values)
    assert start == pytest.approx(11, abs=1)
    assert end == pytest.approx(49, abs=1)


def test_a_dip_of_two_frames_is_no_gap():
    assert spans(gains((1, 20), (0.1, 2), (1, 20))) == [(0, 42)]


def test_a_flash_is_no_stay():
    assert spans(gains((0, 20), (1, 3), (0, 20))) == []


def test_faint_marks_are_judged_by_their_own_strength():
    assert spans(gains((0, 10), (0.6, 30), (0.05, 10)), usual=0.6) == [(10, 40)]


def test_over_its_own_colour_a_mark_is_still_there():
    assert spans(gains((0, 10), (1, 20), (0.3, 15), (1, 20), (0, 10))) == [(10, 65)]


def test_what_never_shows_in_full_is_nothing():
    assert spans(gains((0, 10), (0.3, 40), (0, 10))) == []
