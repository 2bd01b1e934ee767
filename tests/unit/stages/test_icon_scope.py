"""Which pixels of icons stay, for as long as they are to be kept."""

import numpy as np

from domain.detection import IconBehaviour, IconPlace, IconTrack, Mark
from domain.job import IconKind
from domain.regions import Region, TimeRange
from gpu_worker.stages.icon_scope import icon_areas, icons_without_kept
from gpu_worker.video.masks import decode_mark_mask, encode_mask
from gpu_worker.video.rect import Rect
from tests.unit.icons.drawn import FACTS

SECONDS = [index / 25 for index in range(100)]


def icon(x=300, y=20, end=100):
    mark = Mark(width=60, height=40, mask_png=encode_mask(np.ones((40, 60), dtype=bool)))
    place = IconPlace(start_frame=0, end_frame=end, x=x, y=y, mark=0)
    return IconTrack(
        index=0,
        kind=IconKind.TV,
        confidence=1.0,
        kind_confidence=0.7,
        behaviour=IconBehaviour.STILL,
        marks=(mark,),
        places=(place,),
    )


def region(x, width, **times):
    return Region(x=x, y=0.0, width=width, height=0.5, **times)


def test_regions_are_areas_of_the_coded_frame():
    (area,) = icon_areas((Region(x=0.5, y=0.0, width=0.5, height=0.5),), FACTS)
    assert area.rect == Rect(240, 0, 480, 135)


def test_an_icon_beside_what_is_kept_is_left_as_it_is():
    assert icons_without_kept((icon(),), (region(0.0, 0.3),), FACTS, SECONDS) == (icon(),)


def test_an_icon_inside_of_what_is_kept_goes_from_the_list():
    kept, other = icon(), icon(x=20)
    (left,) = icons_without_kept((kept, other), (region(0.5, 0.5),), FACTS, SECONDS)
    assert (left.index, left.places[0].x) == (0, 20)


def test_kept_pixels_leave_the_mask():
    (left,) = icons_without_kept((icon(),), (region(0.0, 330 / 480),), FACTS, SECONDS)
    mask = decode_mark_mask(left.marks[left.places[0].mark])
    assert not mask[:, :30].any()
    assert mask[:, 40:].all()


def test_what_is_kept_for_a_time_splits_a_place():
    times = (TimeRange(start_seconds=1.0, end_seconds=2.0),)
    (left,) = icons_without_kept((icon(),), (region(0.5, 0.5, time_ranges=times),), FACTS, SECONDS)
    assert [(place.start_frame, place.end_frame, place.mark) for place in left.places] == [(0, 25, 0), (50, 100, 0)]
