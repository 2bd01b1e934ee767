"""Text that is left counts, text that the scene itself holds does not, and neither hides the other."""

from dataclasses import replace

import pytest

from bench.residual import Residual, ResidualText
from gpu_worker.captions.detector import TextLine
from gpu_worker.video.rect import Rect
from tests.unit.captions.drawn import Drawn, moving, with_captions

CAPTION = Drawn("Nobody told me about it", 1, 4)


@pytest.fixture(scope="module")
def plain():
    clean = moving(5, 0.0)
    captioned, opacities = with_captions(clean, (CAPTION,))
    return clean, captioned, [opacity > 0.02 for opacity in opacities]


@pytest.fixture(scope="module")
def signed():
    """A scene with a sign of its own where the caption stands."""
    clean, _ = with_captions(moving(5, 0.0), (Drawn("Fresh fish every morning", 0, 5),))
    captioned, opacities = with_captions(clean, (CAPTION,))
    return clean, captioned, [opacity > 0.02 for opacity in opacities]


def test_a_caption_that_is_left_counts_on_each_of_its_frames(plain):
    clean, captioned, masks = plain
    judge = ResidualText(clean, captioned, masks, [])
    assert judge.count(captioned) == Residual(left=3, judged=3, scene=0)
    assert judge.count(clean) == Residual(left=0, judged=3, scene=0)


def test_a_stride_looks_at_fewer_frames(plain):
    clean, captioned, masks = plain
    assert ResidualText(clean, captioned, masks, [], stride=2).count(captioned) == Residual(left=2, judged=2, scene=0)


def test_the_scenes_own_text_is_neither_a_failure_nor_a_success(signed):
    clean, captioned, masks = signed
    assert ResidualText(clean, captioned, masks, []).count(clean) == Residual(left=0, judged=0, scene=3)


def test_a_caption_over_a_sign_is_not_taken_for_it(signed):
    clean, captioned, masks = signed
    assert ResidualText(clean, captioned, masks, []).count(captioned) == Residual(left=3, judged=3, scene=0)


class MarkedText:
    """Stands for a detector that sees text where the first pixel of a band is white."""

    def find_lines(self, picture):
        line = TextLine(Rect(100, picture.y.shape[0] - 50, 380, picture.y.shape[0] - 15), 0.9)
        return (line,) if picture.y[0, 0] == 255 else ()


def marked(frames, *numbers):
    """Return frames of which some are marked, on every row so that a band has it wherever it begins."""
    done = list(frames)
    for number in numbers:
        luma = done[number].y.copy()
        luma[:, 0] = 255
        done[number] = replace(done[number], y=luma)
    return done


@pytest.mark.parametrize(
    ("cuts", "scene"),
    [
        pytest.param([], 3, id="near it in the same shot"),
        pytest.param([2], 2, id="in another shot"),
    ],
)
def test_what_the_detector_sees_in_the_clean_video_near_by_is_the_scenes(cuts, scene, plain):
    clean, captioned, masks = plain
    judge = ResidualText(marked(clean, 3), captioned, masks, cuts, detector=MarkedText())
    assert judge.count(marked(clean, 1, 2, 3)) == Residual(left=3 - scene, judged=3 - scene, scene=scene)
