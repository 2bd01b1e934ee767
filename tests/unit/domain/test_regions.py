import math

import pytest
from pydantic import ValidationError

from domain.regions import CAPTION_BAND, Region, TimeRange, cover_frame


@pytest.mark.parametrize(
    "values",
    [
        {"x": -0.1, "y": 0, "width": 0.5, "height": 0.5},
        {"x": 0, "y": 0, "width": 0, "height": 0.5},
        {"x": 0, "y": 0, "width": 0.5, "height": 1.2},
        {"x": 0.6, "y": 0, "width": 0.5, "height": 0.5},
        {"x": 0, "y": math.nan, "width": 0.5, "height": 0.5},
        {"x": 0, "y": 0, "width": math.inf, "height": 0.5},
    ],
)
def test_a_region_outside_the_frame_or_empty_is_refused(values):
    with pytest.raises(ValidationError):
        Region.model_validate(values)


def test_a_rounding_step_over_the_edge_is_taken():
    assert Region(x=0.7, y=0, width=0.3 + 1e-9, height=1).to_pixels(100, 50) == (70, 0, 100, 50)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 3), (640, 360), (1919, 1079)])
def test_pixels_are_never_empty_and_stay_inside(width, height):
    for region in (CAPTION_BAND, Region(x=1, y=1, width=1e-7, height=1e-7)):
        x0, y0, x1, y1 = region.to_pixels(width, height)
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height


def test_time_ranges_are_half_open():
    region = Region(x=0, y=0, width=1, height=1, time_ranges=(TimeRange(start_seconds=1, end_seconds=2),))
    assert [region.active_at(t) for t in (0.99, 1.0, 1.99, 2.0)] == [False, True, True, False]


def test_a_region_without_time_ranges_always_counts():
    assert CAPTION_BAND.active_at(1e9)


def test_a_time_range_must_not_be_empty_or_backwards():
    with pytest.raises(ValidationError):
        TimeRange(start_seconds=2, end_seconds=2)


def _region(x: float, y: float, width: float, height: float, *times: tuple[float, float]) -> Region:
    ranges = tuple(TimeRange(start_seconds=start, end_seconds=end) for start, end in times)
    return Region(x=x, y=y, width=width, height=height, time_ranges=ranges)


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ((), False),
        ((_region(0, 0, 1, 1),), True),
        ((_region(0.005, 0.005, 0.99, 0.99),), True),
        ((_region(0, 0, 1, 0.98),), False),
        ((_region(0, 0, 1, 0.5), _region(0, 0.5, 1, 0.5)), True),
        ((_region(0.6, 0, 0.4, 1), _region(0, 0, 0.7, 1)), True),
        ((_region(0, 0, 1, 0.45), _region(0, 0.5, 1, 0.5)), False),
        ((_region(0, 0, 1, 0.5), _region(0.1, 0.5, 0.9, 0.5)), False),
        ((_region(0, 0, 1, 0.5, (0, 2)), _region(0, 0.5, 1, 0.5, (1, 3))), True),
        ((_region(0, 0, 1, 0.5, (0, 2)), _region(0, 0.5, 1, 0.5, (2, 3))), False),
        ((_region(0, 0, 1, 1, (5, 6)), CAPTION_BAND), True),
    ],
)
def test_regions_that_leave_nothing_are_told(regions, expected):
    assert cover_frame(regions) is expected
    assert cover_frame(regions[::-1]) is expected
