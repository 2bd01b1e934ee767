import pytest

from domain.detection import Detection, Renewal, Shot
from domain.planning import parts_of, plan_segments


def detection(cuts_seconds, duration_seconds, *, seekable=True, first_pts=0, rate=10):
    """A video at ``rate`` frames per second in a 1/1000 time base with cuts at the given seconds."""
    starts = [0.0, *cuts_seconds]
    ends = [*cuts_seconds, duration_seconds]
    shots = tuple(
        Shot(start_frame=round(a * rate), end_frame=round(b * rate), start_pts=first_pts + round(a * 1000))
        for a, b in zip(starts, ends, strict=True)
    )
    return Detection(
        frame_count=round(duration_seconds * rate),
        time_base="1/1000",
        first_pts=first_pts,
        duration_seconds=duration_seconds,
        seekable=seekable,
        shots=shots,
    )


def starts_of(plan):
    return [segment.start_pts for segment in plan.segments]


def test_a_short_video_is_one_piece():
    assert starts_of(plan_segments(detection([10, 30, 50], 80))) == [0]


def test_pieces_start_at_cuts_and_last_at_least_the_target():
    plan = plan_segments(detection([50, 65, 90, 140, 190], 260))
    assert starts_of(plan) == [0, 65_000, 140_000]


def test_a_video_that_cannot_be_entered_in_the_middle_is_one_piece():
    assert starts_of(plan_segments(detection([65, 130], 200, seekable=False))) == [0]


def test_a_long_shot_is_cut_where_the_fill_starts_anew():
    renewals = tuple(
        Renewal(frame=frame, pts=100 * frame, lead_frames=3, lead_pts=100 * (frame - 3)) for frame in (450, 620, 1300)
    )
    whole = detection([70], 200)
    plan = plan_segments(whole.model_copy(update={"renewals": renewals}))
    assert starts_of(plan) == [0, 62_000, 130_000]
    assert [segment.lead_pts for segment in plan.segments] == [None, 61_700, 129_700]
    assert [segment.tail_frames for segment in plan.segments] == [3, 3, 0]


def test_a_long_shot_without_such_a_place_is_one_piece():
    assert starts_of(plan_segments(detection([], 600))) == [0]


def test_a_first_pts_other_than_zero_moves_everything():
    plan = plan_segments(detection([65], 200, first_pts=90_000))
    assert starts_of(plan) == [90_000, 155_000]


@pytest.mark.parametrize("cuts", [[], [61], [20, 70, 71, 133, 170, 230], [59.9, 119.9, 179.9, 239.9]])
def test_pieces_cover_the_video_without_gap_or_overlap(cuts):
    plan = plan_segments(detection(cuts, 250))
    first, last = plan.segments[0], plan.segments[-1]
    assert (first.start_frame, last.end_frame, last.end_pts) == (0, 2500, None)
    for before, after in zip(plan.segments, plan.segments[1:], strict=False):
        assert (before.end_frame, before.end_pts) == (after.start_frame, after.start_pts)
    assert [segment.index for segment in plan.segments] == list(range(len(plan.segments)))


def test_a_piece_falls_into_parts_where_pieces_may_begin():
    renewals = tuple(
        Renewal(frame=frame, pts=100 * frame, lead_frames=3, lead_pts=100 * (frame - 3))
        for frame in (150, 450, 655, 900)
    )
    video = detection([20], 105).model_copy(update={"renewals": renewals})
    second = plan_segments(video, 45).segments[1]
    assert (second.start_frame, second.end_frame) == (450, 1050)
    parts = parts_of(second, video, 5)
    # A cut 4.5 seconds behind the one before is too near.
    assert [(part.start_frame, part.end_frame) for part in parts] == [(450, 655), (655, 900), (900, 1050)]
    assert [(part.lead_pts, part.tail_frames) for part in parts] == [(44_700, 3), (65_200, 3), (89_700, 0)]
    assert [part.end_pts for part in parts] == [65_500, 90_000, None]
    assert [part.index for part in parts] == [0, 1, 2]


def test_a_part_ends_as_its_piece_does():
    renewals = (Renewal(frame=450, pts=45_000, lead_frames=3, lead_pts=44_700),)
    video = detection([20], 90).model_copy(update={"renewals": renewals})
    first = plan_segments(video, 45).segments[0]
    assert (first.end_frame, first.end_pts, first.tail_frames) == (450, 45_000, 3)
    assert parts_of(first, video, 5)[-1].model_copy(update={"start_frame": 0, "start_pts": 0, "index": 0}) == first


def test_a_video_that_cannot_be_entered_in_the_middle_has_one_part():
    video = detection([20, 40], 60, seekable=False)
    (whole,) = plan_segments(video).segments
    assert parts_of(whole, video, 5) == (whole,)
