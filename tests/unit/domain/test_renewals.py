from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.detection import Detection, Renewal, Shot
from domain.planning import plan_segments
from domain.renewals import LEND_FRAMES, WARM_UP_FRAMES, find_renewals, spans_of

RATE = 10
WARM = LEND_FRAMES + WARM_UP_FRAMES


def shots_of(*seconds):
    return tuple(
        Shot(start_frame=RATE * start, end_frame=RATE * end, start_pts=100 * RATE * start)
        for start, end in pairwise(seconds)
    )


def found(shots, lives):
    """Renewals that come every fifteen seconds, and after a minute at the latest."""
    renewals = find_renewals(shots, lives, RATE, often_seconds=15, latest_seconds=60)
    return [(each.frame / RATE, each.lead_frames) for each in renewals]


def in_seconds(*lives):
    return [(RATE * start, RATE * end) for start, end in lives]


def test_a_shot_that_is_no_longer_than_two_renewals_are_apart_has_none():
    assert found(shots_of(0, 29, 58), []) == []


def test_without_overlays_a_renewal_comes_as_often_as_may_be():
    assert found(shots_of(0, 60), []) == [(15, LEND_FRAMES), (30, LEND_FRAMES), (45, LEND_FRAMES)]


def test_a_caption_is_waited_for_and_lends_its_frames_first():
    assert found(shots_of(0, 70), in_seconds((10, 40), (40, 50))) == [(50.3, LEND_FRAMES)]


def test_a_gap_that_is_too_short_to_lend_on_both_sides_is_none():
    lives = [(0, 200), (200 + 2 * LEND_FRAMES - 1, 400)]
    assert found(shots_of(0, 60), lives) == [(40.3, LEND_FRAMES)]
    lives = [(0, 200), (200 + 2 * LEND_FRAMES, 400)]
    assert found(shots_of(0, 60), lives) == [(20.3, LEND_FRAMES), (40.3, LEND_FRAMES)]


def test_what_never_goes_is_begun_anew_all_the_same_and_warms_up():
    assert found(shots_of(0, 200), in_seconds((0, 200))) == [(60, WARM), (120, WARM)]


def test_what_goes_a_little_later_is_waited_for():
    assert found(shots_of(0, 120), in_seconds((0, 80))) == [(80.3, LEND_FRAMES), (95.3, LEND_FRAMES)]


@st.composite
def videos(draw):
    lengths = draw(st.lists(st.integers(1, 4000), min_size=1, max_size=4))
    walls = [sum(lengths[:count]) for count in range(len(lengths) + 1)]
    shots = tuple(Shot(start_frame=a, end_frame=b, start_pts=7 + 100 * a) for a, b in pairwise(walls))
    end = walls[-1]
    lives = draw(st.lists(st.tuples(st.integers(0, end - 1), st.integers(1, 3000)), max_size=8))
    return shots, [(start, min(end, start + length)) for start, length in lives]


@given(videos(), st.sampled_from([1.0, 10.0, 25.0]))
def test_renewals_lie_where_a_piece_can_begin(video, rate):
    shots, lives = video
    renewals = find_renewals(shots, lives, rate)
    assert renewals == find_renewals(shots, reversed(lives), rate)
    for shot in shots:
        inside = [each for each in renewals if shot.start_frame <= each.frame < shot.end_frame]
        before = shot.start_frame
        for renewal in inside:
            near = range(renewal.frame - LEND_FRAMES, renewal.frame + LEND_FRAMES)
            is_clear = not any(start < near.stop and end > near.start for start, end in lives)
            assert renewal.lead_frames == (LEND_FRAMES if is_clear else WARM)
            # Its lead is all its own: no two crews but those on both sides of one renewal ever work side by side.
            assert renewal.frame - renewal.lead_frames >= before
            before = renewal.frame


@given(videos(), st.sampled_from([1.0, 10.0, 25.0]))
def test_spans_cover_the_video_and_stay_within_their_shots(video, rate):
    shots, lives = video
    renewals = find_renewals(shots, lives, rate)
    spans = spans_of(shots, renewals)
    assert len(spans) == len(shots) + len(renewals)
    assert (spans[0].start, spans[-1].stop) == (0, None)
    for before, after in pairwise(spans):
        assert before.stop == after.start
        assert before.start < after.start
        assert before.begin <= before.start
        assert after.begin >= before.start
    for span in spans:
        shot = next(shot for shot in shots if shot.start_frame <= span.start < shot.end_frame)
        assert (span.shot_start, span.shot_stop or shots[-1].end_frame) == (shot.start_frame, shot.end_frame)
        assert span.begin >= shot.start_frame


@given(videos(), st.floats(1, 200))
def test_pieces_begin_at_cuts_and_renewals_alone_and_cover_the_video(video, target_seconds):
    shots, lives = video
    frame_count = shots[-1].end_frame
    renewals = tuple(
        Renewal(
            frame=each.frame,
            pts=7 + 100 * each.frame,
            lead_frames=each.lead_frames,
            lead_pts=7 + 100 * (each.frame - each.lead_frames),
        )
        for each in find_renewals(shots, lives, RATE)
    )
    detection = Detection(
        frame_count=frame_count,
        time_base="1/1000",
        first_pts=7,
        duration_seconds=frame_count / RATE,
        seekable=True,
        shots=shots,
        renewals=renewals,
    )
    segments = plan_segments(detection, target_seconds).segments
    assert (segments[0].start_frame, segments[-1].end_frame, segments[-1].end_pts) == (0, frame_count, None)
    cuts = {shot.start_frame for shot in shots}
    leads = {each.frame: (each.lead_frames, each.lead_pts) for each in renewals}
    for before, after in pairwise(segments):
        assert (before.end_frame, before.end_pts) == (after.start_frame, after.start_pts)
        assert after.start_pts - before.start_pts >= 1000 * target_seconds
        if after.start_frame in cuts:
            assert (after.lead_frames, after.lead_pts, before.tail_frames) == (0, None, 0)
        else:
            assert (after.lead_frames, after.lead_pts) == leads[after.start_frame]
            assert before.tail_frames == LEND_FRAMES
