"""What is left of an icon is told from what the scene has there anyway; a fill that left too much is done again."""

import numpy as np
import pytest

from domain.detection import Box
from gpu_worker.captions.detector import TextDetector
from gpu_worker.captions.finder import DETECTION_MODEL
from gpu_worker.fill.eraser import EraseReport, erase
from gpu_worker.fill.overlays import SubjectKind, overlays_of
from gpu_worker.fill.second_look import Redone, SecondLook, Shown, Verdict
from gpu_worker.inference.session import open_session
from gpu_worker.review.judge import MAX_GHOST_LEVELS, MAX_RESIDUAL_EDGES, Judge
from gpu_worker.review.larger_mask import larger_mask
from gpu_worker.video.frame import Patch
from gpu_worker.video.patches import apply_patches
from tests.unit.captions.drawn import moving
from tests.unit.fill.drawn_icons import track, with_logo
from tests.unit.fill.test_eraser import shots

SIZE = (320, 180)
AT = (20, 16)
WHOLE = Box(x0=0, y0=0, x1=SIZE[0], y1=SIZE[1])


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(lambda: TextDetector(open_session(DETECTION_MODEL)))


@pytest.mark.parametrize("step", [0.0, 2.0], ids=["still", "pan"])
@pytest.mark.parametrize(("left", "passes"), [(0.0, True), (0.4, False)])
def test_edges_that_stay_are_told_from_the_scenes(judge, step, left, passes) -> None:
    clean = moving(20, step, *SIZE)
    marked = [with_logo(frame, *AT, 1.0) for frame in clean]
    ghosts = [with_logo(frame, *AT, left) for frame in clean] if left else clean
    (overlay,) = overlays_of((), (track((0, 20, *AT)),))
    patches = [Patch(WHOLE, frame.y, frame.u, frame.v) for frame in ghosts]
    verdict = judge.judge(Shown(overlay, marked, patches))
    assert (verdict.residual <= MAX_RESIDUAL_EDGES) == passes
    assert verdict.passed == passes
    assert verdict.missed == ()


def test_dark_bars_behind_a_veil_that_is_gone_are_no_ghost_of_it(judge) -> None:
    clean = moving(1, 0.0, *SIZE) * 12
    for frame in clean[:1]:
        frame.y[:] = 180 + frame.y // 16
        frame.y[:, 44:52] = frame.y[:, 64:72] = 120
    marked = [with_logo(frame, *AT, 0.3) for frame in clean]
    (overlay,) = overlays_of((), (track((0, 12, *AT), strength=0.3, with_matte=True),))
    patches = [Patch(WHOLE, frame.y, frame.u, frame.v) for frame in clean]
    verdict = judge.judge(Shown(overlay, marked, patches))
    assert verdict.residual <= MAX_RESIDUAL_EDGES
    assert verdict.ghost_levels <= MAX_GHOST_LEVELS


def test_of_an_icon_that_moves_a_few_places_are_judged_and_none_is_filled_again() -> None:
    places = tuple((2 * index, 2 * index + 2, 20 + 4 * index, 16) for index in range(8))
    marked = [with_logo(frame, *places[frame.index // 2][2:], 1.0) for frame in moving(16, 0.0, *SIZE)]
    judged = []

    def unhappy(shown: Shown) -> Verdict:
        judged.append(shown.overlay.number)
        return Verdict(1, 0, 1, 1, 4.0)

    look = SecondLook(unhappy, lambda overlay, missed: larger_mask(overlay, 2, SIZE, missed), 2)
    report = EraseReport()
    pairs = erase(marked, overlays_of((), (track(*places),)), shots(0, end=16), report=report, second_look=look)
    assert len([apply_patches(*pair) for pair in pairs]) == 16
    assert len(judged) == len(set(judged)) == 3
    fill = report.of(SubjectKind.ICON)[0]
    assert (fill.redone, fill.verdict.passed) == (Redone.NONE, False)


def test_a_mask_grows_around_what_is_kept_and_not_at_all_where_all_is() -> None:
    (overlay,) = overlays_of((), (track((0, 5, *AT)),))
    left_half = Box(x0=0, y0=0, x1=AT[0] + 36, y1=SIZE[1])
    grown = larger_mask(overlay, 2, SIZE, (), (left_half,))
    assert grown is not None
    before = np.pad(overlay.mask, 2)
    assert np.array_equal(grown.mask[:, : 36 + 2], before[:, : 36 + 2])
    assert grown.mask.sum() > overlay.mask.sum()
    assert larger_mask(overlay, 2, SIZE, (), (WHOLE,)) is None
