"""Plates in the second look: what is seen through them is counted per caption, and a redo fills them."""

from __future__ import annotations

import numpy as np

from gpu_worker.fill.eraser import EraseReport, erase
from gpu_worker.fill.overlays import SubjectKind, overlays_of
from gpu_worker.fill.second_look import Redone, SecondLook, Shown, Verdict
from gpu_worker.review.larger_mask import larger_mask
from gpu_worker.video.patches import apply_patches
from tests.unit.captions.drawn import HEIGHT, WIDTH, moving
from tests.unit.fill.test_eraser import shots
from tests.unit.fill.test_veil import PLATE_BOX, edge_mask, event_on, in_frame, plate, with_plate

LIFE = range(4, 14)


def _erased(*severities_given: float):
    clean = moving(18, 1.5)
    captioned = [with_plate(frame, 0.5) if frame.index in LIFE else frame for frame in clean]
    event = event_on(plate(0.5, LIFE.start, LIFE.stop), LIFE.start, LIFE.stop)
    left = list(severities_given)

    def judge(_: Shown) -> Verdict:
        return Verdict(0, 0, 1, 1, left.pop(0))

    look = SecondLook(judge, lambda event, missed: larger_mask(event, 2, (WIDTH, HEIGHT), missed), 2)
    report = EraseReport()
    done = [
        apply_patches(*pair)
        for pair in erase(captioned, overlays_of((event,)), shots(0, end=18), report=report, second_look=look)
    ]
    assert left == []
    assert report.outside_difference == 0
    return clean, captioned, done, report


def test_pixels_behind_a_plate_are_counted_with_their_caption() -> None:
    clean, captioned, done, report = _erased(0.5)
    behind = in_frame(np.ones_like(edge_mask()), clean[0])
    inside = np.zeros_like(behind)
    inside[PLATE_BOX.y0 : PLATE_BOX.y1, PLATE_BOX.x0 : PLATE_BOX.x1] = True
    clear = inside & ~in_frame(edge_mask(), clean[0])
    assert (
        report.of(SubjectKind.CAPTION)[0].pixels.seen_through
        == len(LIFE) * int(clear.sum())
        == report.pixels_seen_through
    )
    error = np.abs(done[8].y[clear].astype(int) - clean[8].y[clear])
    assert error.mean() < np.abs(captioned[8].y[clear].astype(int) - clean[8].y[clear]).mean() / 10


def test_a_plate_whose_result_fails_is_filled_with_the_rest() -> None:
    clean, captioned, done, report = _erased(3.0, 0.5)
    assert report.of(SubjectKind.CAPTION)[0].redone is Redone.LARGER_MASK
    assert report.of(SubjectKind.CAPTION)[0].pixels.seen_through == 0
    assert report.of(SubjectKind.CAPTION)[0].pixels.masked > len(LIFE) * (PLATE_BOX.width * PLATE_BOX.height)
    inside = (slice(PLATE_BOX.y0, PLATE_BOX.y1), slice(PLATE_BOX.x0, PLATE_BOX.x1))
    for index in LIFE:
        before = np.abs(captioned[index].y[inside].astype(int) - clean[index].y[inside]).mean()
        assert np.abs(done[index].y[inside].astype(int) - clean[index].y[inside]).mean() < before / 2
