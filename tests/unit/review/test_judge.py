"""Figures tell clean pictures from spoilt ones, and what fails is filled again: captions over known frames."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from domain.detection import Box, Shot
from domain.job import Quality
from gpu_worker.captions.detector import TextDetector
from gpu_worker.captions.finder import DETECTION_MODEL
from gpu_worker.fill.eraser import EraseReport, erase, plan_windows
from gpu_worker.fill.overlays import Overlay, Subject, SubjectKind
from gpu_worker.fill.second_look import Redone, SecondLook, Shown, Verdict
from gpu_worker.inference.session import open_session
from gpu_worker.review.judge import Judge, severities
from gpu_worker.review.larger_mask import larger_mask
from gpu_worker.video.frame import Frame, Patch
from gpu_worker.video.patches import apply_patches
from tests.unit.captions.drawn import HEIGHT, WIDTH, Drawn, moving, with_captions

SPAN = range(6, 30)
SHOTS = (Shot(start_frame=0, end_frame=36, start_pts=0),)
WHOLE = Box(x0=0, y0=0, x1=WIDTH, y1=HEIGHT)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(lambda: TextDetector(open_session(DETECTION_MODEL)))


@pytest.fixture(scope="module")
def clip():
    """Clean frames, the same with a caption, and its event with the true mask."""
    clean = moving(36, 1.5)
    captioned, opacities = with_captions(clean, (Drawn("What the caption hid", SPAN.start, SPAN.stop),))
    drawn = (opacities[SPAN.start] > 0.02).astype(np.uint8)
    return clean, captioned, event_of(cv2.dilate(drawn, np.ones((5, 5), np.uint8)) > 0)


def event_of(mask: np.ndarray, **changes) -> Overlay:
    """Return a caption with this mask as what is to go."""
    rows, columns = np.nonzero(mask)
    box = Box(x0=int(columns.min()), y0=int(rows.min()), x1=int(columns.max()) + 1, y1=int(rows.max()) + 1)
    part = mask[box.y0 : box.y1, box.x0 : box.x1] > 0
    overlay = Overlay(0, Subject(SubjectKind.CAPTION, 0), SPAN.start, SPAN.stop, box, part)
    return replace(overlay, **changes)


def in_frame(event: Overlay) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[event.box.y0 : event.box.y1, event.box.x0 : event.box.x1] = event.mask
    return mask


def eroded(event: Overlay, pixels: int) -> Overlay:
    kernel = np.ones((2 * pixels + 1,) * 2, np.uint8)
    return event_of(cv2.erode(in_frame(event).astype(np.uint8), kernel) > 0)


def with_luma(frame: Frame, luma: np.ndarray) -> Frame:
    return replace(frame, y=np.clip(luma + 0.5, 0, 255).astype(np.uint8))


def shown(event: Overlay, captioned: list[Frame], results: list[Frame]) -> Shown:
    patches = [Patch(WHOLE, results[index].y, results[index].u, results[index].v) for index in SPAN]
    return Shown(event, [captioned[index] for index in SPAN], patches, [captioned[4], captioned[32]])


def test_clean_frames_pass(judge, clip) -> None:
    clean, captioned, event = clip
    verdict = judge.judge(shown(event, captioned, clean))
    assert verdict.passed
    assert verdict.residual == 0
    assert verdict.seam < 1.3
    assert verdict.flicker < 1.3


def _untouched(clean, captioned, mask, index):
    return captioned.y


def _ghost(clean, captioned, mask, index):
    return np.where(mask, 0.85 * clean.y + 0.15 * captioned.y, clean.y)


def _brighter(clean, captioned, mask, index):
    return clean.y + 12.0 * mask


def _blinking(clean, captioned, mask, index):
    return clean.y + 12.0 * mask * (index % 2)


@pytest.mark.parametrize(
    ("spoil", "figure"),
    [(_untouched, "residual"), (_ghost, "ghost_levels"), (_brighter, "seam"), (_blinking, "flicker")],
)
def test_each_fault_fails_its_own_gate(judge, clip, spoil, figure) -> None:
    clean, captioned, event = clip
    mask = in_frame(event)
    spoilt = [
        with_luma(frame, spoil(frame, captioned[frame.index], mask, frame.index).astype(np.float32)) for frame in clean
    ]
    verdict = judge.judge(shown(event, captioned, spoilt))
    assert not verdict.passed
    figures = severities(
        SubjectKind.CAPTION,
        residual=verdict.residual,
        ghost_levels=verdict.ghost_levels,
        seam=verdict.seam,
        flicker=verdict.flicker,
    )
    assert figures[figure] > 1


def test_text_of_the_scene_does_not_count(judge, clip) -> None:
    """The same sign stands there before, during and after: it is not the caption's."""
    clean, _, event = clip
    signed, _ = with_captions(clean, (Drawn("OPEN ALL NIGHT", 0, 36),))
    captioned, _ = with_captions(signed, (Drawn("What the caption hid", SPAN.start, SPAN.stop),))
    verdict = judge.judge(shown(event, captioned, signed))
    assert verdict.residual == 0


def test_text_left_in_a_region_that_is_erased_as_a_whole_is_found(judge, clip) -> None:
    clean, captioned, _ = clip
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[100:265, 20:460] = True
    region = event_of(mask)
    assert judge.judge(shown(region, captioned, captioned)).residual > 0
    assert judge.judge(shown(region, captioned, clean)).residual == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (HEIGHT, WIDTH)])
def test_masks_of_any_size_are_judged(judge, clip, size) -> None:
    clean, captioned, _ = clip
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[: size[0], : size[1]] = True
    verdict = judge.judge(shown(event_of(mask), captioned, clean))
    assert np.isfinite(verdict.severity)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_text_is_found_however_the_picture_is_turned(turns, clip) -> None:
    clean, captioned, event = clip

    def turned(frame: Frame) -> Frame:
        y, u, v = (np.ascontiguousarray(np.rot90(plane, -turns)) for plane in (frame.y, frame.u, frame.v))
        return replace(frame, y=y, u=u, v=v)

    mask = np.rot90(in_frame(event), -turns)
    lying = event_of(mask)
    frames = [turned(frame) for frame in captioned]
    box = Box(x0=0, y0=0, x1=mask.shape[1], y1=mask.shape[0])
    judge = Judge(lambda: TextDetector(open_session(DETECTION_MODEL)), 90 * turns)
    for results, is_left in ((frames, True), ([turned(frame) for frame in clean], False)):
        patches = [Patch(box, results[index].y, results[index].u, results[index].v) for index in SPAN]
        given = Shown(lying, [frames[index] for index in SPAN], patches, [frames[4]])
        assert (judge.judge(given).residual > 0.2) == is_left


def test_a_letter_that_the_mask_missed_is_found_and_goes(judge, clip) -> None:
    clean, captioned, event = clip
    mask = in_frame(event)
    middle = (event.box.x0 + event.box.x1) // 2
    missed = np.zeros_like(mask)
    missed[:, middle : middle + 30] = mask[:, middle : middle + 30]
    partial = event_of(mask & ~missed)
    plain = [apply_patches(*pair) for pair in erase(captioned, (partial,), SHOTS)]
    verdict = judge.judge(shown(partial, captioned, plain))
    assert severities(SubjectKind.CAPTION, residual=verdict.residual, ghost_levels=0, seam=0, flicker=0)["residual"] > 1
    (box,) = verdict.missed
    assert missed[box.y0 : box.y1, box.x0 : box.x1].sum() > 0.95 * missed.sum()
    done, report = erased(captioned, (partial,), judge)
    assert report.of(SubjectKind.CAPTION)[0].redone is Redone.LARGER_MASK
    assert report.of(SubjectKind.CAPTION)[0].verdict.passed
    errors = [np.abs(done[i].y[missed].astype(float) - clean[i].y[missed]).mean() for i in SPAN]
    assert np.mean(errors) < 5


GROWTH = 2


def grown_by_halo(event, missed=()):
    return larger_mask(event, GROWTH, (WIDTH, HEIGHT), missed)


def erased(captioned, events, judge, quality=Quality.NORMAL, *, enlarge=grown_by_halo, **options):
    report = EraseReport()
    look = SecondLook(judge.judge, enlarge, GROWTH)
    done = [
        apply_patches(frame, patches)
        for frame, patches in erase(captioned, events, SHOTS, quality, report=report, second_look=look, **options)
    ]
    return done, report


def test_a_good_fill_is_left_as_it_is(judge, clip) -> None:
    _, captioned, event = clip
    looked_at, report = erased(captioned, (event,), judge)
    assert report.of(SubjectKind.CAPTION)[0].redone is Redone.NONE
    assert report.of(SubjectKind.CAPTION)[0].verdict.passed
    assert report.outside_difference == 0
    mask = in_frame(event)
    for frame, result in zip(captioned, looked_at, strict=True):
        assert np.array_equal(frame.y[~mask], result.y[~mask])


def test_what_a_mask_left_goes_with_a_larger_one(judge, clip) -> None:
    clean, captioned, event = clip
    small = eroded(event, 3)
    plain = [apply_patches(*pair) for pair in erase(captioned, (small,), SHOTS)]
    done, report = erased(captioned, (small,), judge)
    assert report.of(SubjectKind.CAPTION)[0].redone is Redone.LARGER_MASK
    assert report.outside_difference == 0

    def error(frames):
        mask = in_frame(event)
        return np.mean([np.square(frames[i].y[mask].astype(float) - clean[i].y[mask]) for i in SPAN])

    assert error(done) < error(plain) / 4
    grown = in_frame(grown_by_halo(small))
    for frame, result in zip(captioned, done, strict=True):
        assert np.array_equal(frame.y[~grown], result.y[~grown])
    assert report.pixels_masked == len(SPAN) * int(grown.sum()) == report.of(SubjectKind.CAPTION)[0].pixels.masked


def test_the_rest_of_a_long_caption_is_filled_with_the_larger_mask_at_once(judge, clip) -> None:
    _, captioned, event = clip
    small = eroded(event, 3)
    seen = []

    class Watched:
        def judge(self, given: Shown) -> Verdict:
            seen.append((given.frames[0].index, given.overlay.box))
            return judge.judge(given)

    _, report = erased(captioned, (small,), Watched(), window_frames=12)
    assert report.of(SubjectKind.CAPTION)[0].redone is Redone.LARGER_MASK
    starts = [start for start, _ in seen]
    assert starts == sorted(starts)
    assert starts.count(SPAN.start) == 2
    assert all(starts.count(start) == 1 for start in set(starts) - {SPAN.start})
    assert {box for start, box in seen if start > SPAN.start} == {grown_by_halo(small).box}


def test_a_mask_is_enlarged_once(clip) -> None:
    """The first part passes with a larger mask; a later part fails all the same: only the other method is left."""
    _, captioned, event = clip
    grown, judged = grown_by_halo(event).box, []

    class LaterFails:
        def judge(self, given: Shown) -> Verdict:
            judged.append((given.frames[0].index, given.overlay.box))
            is_first = given.frames[0].index == SPAN.start
            return Verdict(0, 0, 1, 1, 0.5 if is_first and given.overlay.box == grown else 5.0)

    _, report = erased(captioned, (event,), LaterFails(), window_frames=12)
    assert report.of(SubjectKind.CAPTION)[0].redone is Redone.LARGER_MASK
    later = sorted({start for start, _ in judged} - {SPAN.start})
    assert [box for start, box in judged if start == later[0]] == [grown, grown]
    assert all(box == grown for start, box in judged if start in later)


def test_what_was_tried_in_vain_is_not_tried_again(clip) -> None:
    _, captioned, event = clip
    starts = []

    class Unhappy:
        def judge(self, given: Shown) -> Verdict:
            starts.append(given.frames[0].index)
            return Verdict(0, 0, 9, 1, 5.0)

    _, report = erased(captioned, (event,), Unhappy(), window_frames=12)
    assert report.of(SubjectKind.CAPTION)[0].redone is Redone.NONE
    assert starts.count(SPAN.start) == 3
    assert len(set(starts)) > 1
    assert all(starts.count(start) == 1 for start in set(starts) - {SPAN.start})


def test_looking_again_gives_the_same_result_again(judge, clip) -> None:
    _, captioned, event = clip
    first, first_report = erased(captioned, (eroded(event, 3),), judge)
    second, second_report = erased(captioned, (eroded(event, 3),), judge)
    assert first_report.fills == second_report.fills
    assert all(np.array_equal(a.y, b.y) and np.array_equal(a.u, b.u) for a, b in zip(first, second, strict=True))


class Scripted:
    """Gives one verdict after the other."""

    def __init__(self, *severities_given: float) -> None:
        self.left = list(severities_given)

    def judge(self, given: Shown) -> Verdict:
        assert len(given.frames) == len(given.patches) == given.overlay.end_frame - given.overlay.start_frame
        return Verdict(0, 0, 1, 1, self.left.pop(0))


@pytest.mark.parametrize(
    ("verdicts", "kept"),
    [
        ((0.9,), Redone.NONE),
        ((3.0, 0.9), Redone.LARGER_MASK),
        ((3.0, 2.0, 0.9), Redone.OTHER_METHOD),
        ((3.0, 4.0, 2.0), Redone.OTHER_METHOD),
        ((3.0, 2.0, 2.5), Redone.LARGER_MASK),
        ((2.0, 2.0, 3.0), Redone.NONE),
    ],
)
@pytest.mark.parametrize("quality", list(Quality))
def test_at_most_two_more_attempts_and_the_best_is_kept(quality, verdicts, kept) -> None:
    size = (160, 90)
    captioned, opacities = with_captions(moving(10, 1.5, *size), (Drawn("Hi", 2, 8),))
    event = event_of(opacities[2] > 0.02, start_frame=2, end_frame=8)
    script = Scripted(*verdicts)
    _, report = erased(captioned, (event,), script, quality, enlarge=lambda event, _: larger_mask(event, 2, size))
    assert script.left == []
    assert report.of(SubjectKind.CAPTION)[0].redone is kept
    assert report.of(SubjectKind.CAPTION)[0].verdict.severity == min(verdicts)
    assert report.of(SubjectKind.CAPTION)[0].frames == 6


@pytest.mark.parametrize(("revealed", "life"), [(True, range(4, 20)), (False, range(24))])
def test_where_no_mask_may_grow_the_other_method_is_tried(revealed, life) -> None:
    """Premium's other method is Normal's motion; only where little was revealed it fills from beside."""
    clean = moving(24, 0.0)
    captioned, opacities = with_captions(clean, (Drawn("There for a while", life.start, life.stop),))
    event = event_of(opacities[4] > 0.02, start_frame=life.start, end_frame=life.stop)
    script = Scripted(3.0, 0.5)
    done, report = erased(captioned, (event,), script, Quality.PREMIUM, enlarge=lambda *_: None)
    assert report.of(SubjectKind.CAPTION)[0].redone is Redone.OTHER_METHOD
    assert (report.of(SubjectKind.CAPTION)[0].pixels.revealed > 0) == revealed
    mask = in_frame(event)
    for frame, result in zip(captioned, done, strict=True):
        assert np.array_equal(frame.y[~mask], result.y[~mask])


def test_an_edge_of_the_scene_along_the_mask_is_no_seam(judge) -> None:
    """A bar of the scene ends where the mask does, before, during and after the caption."""
    clean = [with_luma(frame, frame.y.astype(np.float32)) for frame in moving(36, 0.0)]
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[220:250, 120:360] = True
    clean = [with_luma(frame, np.where(mask, 0.2 * frame.y, frame.y).astype(np.float32)) for frame in clean]
    captioned, _ = with_captions(clean, (Drawn("What it hid", SPAN.start, SPAN.stop),))
    verdict = judge.judge(shown(event_of(mask), captioned, clean))
    assert verdict.passed


def test_only_the_caption_that_failed_is_changed(clip) -> None:
    """Two captions share a window; what is done again for one leaves the other's pixels alone."""
    _, captioned, event = clip
    mask = in_frame(event)
    left, right = mask.copy(), mask.copy()
    middle = (event.box.x0 + event.box.x1) // 2
    left[:, middle - 2 :] = False
    right[:, : middle + 2] = False
    events = (event_of(left), event_of(right, number=1, subject=Subject(SubjectKind.CAPTION, 1)))
    assert len(plan_windows(events, WIDTH, HEIGHT, 2)) == 1

    class RightFails:
        def judge(self, given: Shown) -> Verdict:
            fails = given.overlay.number == 1 and given.overlay.box == events[1].box
            return Verdict(0, 0, 1, 1, 2.0 if fails else 0.5)

    plain, _ = erased(captioned, events, Scripted(*[0.5] * 2))
    done, report = erased(captioned, events, RightFails())
    assert [report.of(SubjectKind.CAPTION)[index].redone for index in (0, 1)] == [Redone.NONE, Redone.LARGER_MASK]
    grown = in_frame(grown_by_halo(events[1]))
    for before, after in zip(plain, done, strict=True):
        assert np.array_equal(before.y[~grown], after.y[~grown])
    assert any(not np.array_equal(before.y, after.y) for before, after in zip(plain, done, strict=True))


@pytest.mark.parametrize("at_edge", [False, True])
def test_a_larger_mask_holds_the_smaller_one_and_stays_in_the_frame(at_edge) -> None:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[(250, 269)[at_edge], 10 if not at_edge else 0] = True
    event = event_of(mask)
    grown = in_frame(larger_mask(event, 3, (WIDTH, HEIGHT)))
    assert grown[mask].all()
    rows, columns = np.nonzero(grown)
    assert (rows.min(), columns.min()) == ((247, 7), (266, 0))[at_edge]
    assert (rows.max(), columns.max()) == ((253, 13), (269, 3))[at_edge]
