"""Regions in coded pixels and frames; kept pixels stay out of every mask, for as long as they are to be kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from domain.detection import Box, CaptionEvent, Plate, Shot
from domain.regions import Region, TimeRange
from gpu_worker.stages.captions_text import displayed_box
from gpu_worker.stages.scope import active_frames, coded_box, whole_regions, without_kept
from gpu_worker.video.masks import decode_mask, encode_mask
from tests.unit.stages.test_texts import FACTS

#: Ten frames, the last five twice as slow.
SECONDS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.1, 1.3]
BOX = Box(x0=20, y0=60, x1=60, y1=90)


def _event(start: int = 0, end: int = 10) -> CaptionEvent:
    return CaptionEvent(
        index=7,
        start_frame=start,
        end_frame=end,
        start_seconds=SECONDS[start],
        end_seconds=1.5 if end == 10 else SECONDS[end],
        box=BOX,
        mask_png=encode_mask(np.ones((BOX.height, BOX.width), dtype=bool)),
        text="words",
    )


def _covered(event: CaptionEvent) -> np.ndarray:
    covered = np.zeros((FACTS.height, FACTS.width), dtype=bool)
    covered[event.box.y0 : event.box.y1, event.box.x0 : event.box.x1] = decode_mask(event)
    return covered


def _right(*times: tuple[float, float]) -> Region:
    """The right 80 % of the picture: from column 40."""
    ranges = tuple(TimeRange(start_seconds=start, end_seconds=end) for start, end in times)
    return Region(x=0.2, y=0, width=0.8, height=1, time_ranges=ranges)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_displayed_region_lies_where_its_box_is_displayed(rotation, mirrored) -> None:
    facts = replace(FACTS, rotation_degrees=rotation, mirrored=mirrored)
    region = Region(x=0.1, y=0.6, width=0.2, height=0.3)
    shown = displayed_box(coded_box(region, facts), facts)
    assert tuple(shown.values()) == pytest.approx((0.1, 0.6, 0.2, 0.3))


def test_frames_are_counted_by_when_they_are_shown() -> None:
    assert active_frames(_right((0.1, 0.3), (0.7, 1.2), (5, 6)), SECONDS) == [range(1, 3), range(6, 9)]
    assert active_frames(_right((0.7, 0.9), (0.1, 0.3), (0.2, 0.7)), SECONDS) == [range(1, 7)]
    assert active_frames(_right(), SECONDS) == [range(10)]


def test_kept_pixels_and_their_colour_leave_the_mask() -> None:
    (event,) = without_kept((_event(),), (_right(),), FACTS, SECONDS)
    covered = _covered(event)
    # The colour of column 40 is that of the masked columns up to 36, which the fill widens by two samples.
    assert covered[60:90, 20:36].all()
    assert not covered[:, 36:].any()
    assert (event.index, event.text) == (0, "words")


def test_a_plate_of_which_a_part_is_kept_is_filled() -> None:
    plate = Plate(box=Box(x0=24, y0=62, x1=58, y1=88), start_frame=0, end_frame=10, opacity=0.5, y=16, u=128, v=128)
    edge = np.ones((BOX.height, BOX.width), dtype=bool)
    edge[6:24, 8:34] = False
    caption = _event().model_copy(update={"plate": plate, "mask_png": encode_mask(edge)})
    (whole,) = without_kept((caption,), (Region(x=0, y=0, width=1, height=0.2),), FACTS, SECONDS)
    assert (whole.plate, whole.mask_png) == (plate, caption.mask_png)
    (event,) = without_kept((caption,), (_right(),), FACTS, SECONDS)
    assert event.plate is None
    assert _covered(event)[60:90, 20:36].all()


def test_an_event_is_split_where_the_keeping_begins_and_ends() -> None:
    parts = without_kept((_event(),), (_right((0.2, 0.7)),), FACTS, SECONDS)
    assert [(part.index, part.start_frame, part.end_frame) for part in parts] == [(0, 0, 2), (1, 2, 6), (2, 6, 10)]
    assert [(part.start_seconds, part.end_seconds) for part in parts] == [(0, 0.2), (0.2, 0.7), (0.7, 1.5)]
    assert [part.box.x1 for part in parts] == [60, 36, 60]


def test_what_is_kept_altogether_is_gone_and_the_rest_is_numbered_anew() -> None:
    everywhere = Region(x=0, y=0.5, width=1, height=0.5, time_ranges=(TimeRange(start_seconds=0, end_seconds=0.5),))
    parts = without_kept((_event(0, 5), _event(5, 10)), (everywhere,), FACTS, SECONDS)
    assert [(part.index, part.start_frame) for part in parts] == [(0, 5)]


def test_an_event_far_from_all_that_is_kept_stays_as_it_is() -> None:
    far = Region(x=0, y=0, width=1, height=0.2)
    assert without_kept((_event(),), (far,), FACTS, SECONDS) == (_event().model_copy(update={"index": 0}),)


def test_two_kept_regions_both_stay() -> None:
    left = Region(x=0, y=0, width=0.12, height=1)
    (event,) = without_kept((_event(),), (left, _right()), FACTS, SECONDS)
    assert (event.box.x0, event.box.x1) == (28, 36)


def test_a_whole_region_is_covered_shot_by_shot_while_it_counts() -> None:
    shots = (Shot(start_frame=0, end_frame=4, start_pts=0), Shot(start_frame=4, end_frame=10, start_pts=4))
    events = whole_regions((_right((0.1, 0.9)), _right((1.1, 9))), shots, FACTS, SECONDS, 1.5)
    assert [(event.index, event.start_frame, event.end_frame) for event in events] == [(0, 1, 4), (1, 4, 7), (2, 8, 10)]
    assert [(event.start_seconds, event.end_seconds) for event in events] == [(0.1, 0.4), (0.4, 0.9), (1.1, 1.5)]
    assert all((event.box.x0, event.box.x1) == (40, 200) and decode_mask(event).all() for event in events)
