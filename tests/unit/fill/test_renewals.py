"""A fill that starts anew below an overlay: from the renewal on it is a new one, and nobody sees when."""

import numpy as np
import pytest

from domain.detection import Box
from domain.renewals import BLEND_FRAMES, LEND_FRAMES, SETTLED_FRAMES, WARM_UP_FRAMES, RenewalFrame
from gpu_worker.fill.eraser import EraseReport, Piece, erase
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.video.patches import apply_patches
from tests.unit.captions.drawn import moving
from tests.unit.fill.drawn_icons import track, with_logo
from tests.unit.fill.test_eraser import event_with, shots

SIZE = (160, 96)
AT = (60, 20)
#: Windows are this long: half of one is done at a time, so that all boundaries lie alike with and without a renewal.
WINDOW_FRAMES = 32
BEGIN = WINDOW_FRAMES // 2
RENEWAL = RenewalFrame(BEGIN + WARM_UP_FRAMES, LEND_FRAMES + WARM_UP_FRAMES)
COUNT = RENEWAL.frame + 20
FIRST_BLENDED = RENEWAL.frame - SETTLED_FRAMES - BLEND_FRAMES
WALLS = shots(0, end=COUNT)


@pytest.fixture(scope="module")
def marked():
    return [with_logo(frame, *AT, 1.0) for frame in moving(COUNT, 0.5, *SIZE)]


@pytest.fixture(scope="module")
def overlays():
    # Beside the mark that stays, a caption that comes while the fill warms up and goes after the renewal.
    box = Box(x0=20, y0=76, x1=90, y1=90)
    mask = np.zeros((14, 70), np.uint8)
    mask[3:-3, 3:-3] = 255
    event = event_with(mask, box, FIRST_BLENDED - 10, RENEWAL.frame + 8)
    return overlays_of((event,), (track((0, COUNT, *AT)),))


def made(frames, overlays, piece=None, renewals=(RENEWAL,), window_frames=WINDOW_FRAMES):
    report = EraseReport()
    options = {"piece": piece, "renewals": renewals, "report": report, "window_frames": window_frames}
    return [apply_patches(*pair) for pair in erase(iter(frames), overlays, WALLS, **options)], report


@pytest.fixture(scope="module")
def whole(marked, overlays):
    return made(marked, overlays)


@pytest.fixture(scope="module")
def never_renewed(marked, overlays):
    return made(marked, overlays, renewals=())[0]


def planes(frames):
    return [(frame.index, *(plane.tobytes() for plane in (frame.y, frame.u, frame.v))) for frame in frames]


@pytest.mark.parametrize("window_frames", [20, 50])
def test_pieces_on_both_sides_are_what_the_whole_is_and_count_what_it_counts(window_frames, marked, overlays):
    first = Piece(range(RENEWAL.frame), range(RENEWAL.frame + SETTLED_FRAMES))
    second = Piece(range(RENEWAL.frame, COUNT), range(RENEWAL.frame - SETTLED_FRAMES, COUNT))
    # Boundaries of windows lie anywhere about the renewal.
    options = {"window_frames": window_frames}
    before, counted_before = made(marked, overlays, first, **options)
    behind, counted_behind = made(marked[RENEWAL.frame - RENEWAL.lead_frames :], overlays, second, **options)
    done, counted = made(marked, overlays, **options)
    assert planes(before) == planes(done[: first.shown.stop])
    assert planes(behind) == planes(done[second.shown.start :])
    for name in ("frames", "frames_changed", "pixels_masked", "pixels_from_frames", "pixels_painted"):
        assert getattr(counted_before, name) + getattr(counted_behind, name) == getattr(counted, name)
    assert counted.frames_changed == COUNT
    frames_of = [{s: f.frames for s, f in part.fills.items()} for part in (counted_before, counted_behind, counted)]
    assert {s: frames_of[0][s] + frames_of[1][s] for s in frames_of[2]} == frames_of[2]


def test_from_the_old_fill_to_the_new_one_the_picture_goes_in_small_steps(marked, overlays, whole, never_renewed):
    fresh, _ = made(marked[BEGIN - LEND_FRAMES :], overlays, renewals=(RenewalFrame(BEGIN, LEND_FRAMES),))
    fresh = {frame.index: frame for frame in fresh}
    assert planes(whole[0][:FIRST_BLENDED]) == planes(never_renewed[:FIRST_BLENDED])
    settled = range(RENEWAL.frame - SETTLED_FRAMES, COUNT)
    assert planes(whole[0][settled.start :]) == planes([fresh[index] for index in settled])
    apart = []
    for number, index in enumerate(range(FIRST_BLENDED, settled.start), 1):
        for shown, old, new in zip(*(planes_of(each[index]) for each in (whole[0], never_renewed, fresh)), strict=True):
            share = number / (BLEND_FRAMES + 1)
            assert np.abs(shown - (old * (1 - share) + new * share)).max() <= 0.5
            apart.append(np.abs(old - new).max())
    # There is something to blend, or this would show nothing.
    assert max(apart) > 4


def planes_of(frame):
    return [plane.astype(float) for plane in (frame.y, frame.u, frame.v)]
