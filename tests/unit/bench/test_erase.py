"""The erase bench from end to end, on a clip that is drawn here."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bench.captioned_clips import draw, encode
from bench.cases import CASES, Case, Planned, Style
from bench.erase import chosen, measure, true_events
from bench.standing import measure_standing, standing_report
from tests.unit.captions.drawn import moving

SIZE = (320, 180)
CASE = Case("static", "clean.mp4", 2, 24, (Planned(4, 22, Style("What was here?", "DejaVuSans-Bold")),))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    encode(moving(30, 0.0, *SIZE), SIZE, folder / CASE.file)
    return draw(CASE, folder, folder, 640, seed=0)


def test_a_drawn_clip_knows_its_truth(clip):
    assert len(clip.clean) == len(clip.captioned) == len(clip.opacity) == 24
    assert [frame.index for frame in clip.captioned] == list(range(24))
    covered = [bool(mask.any()) for mask in clip.masks()]
    assert covered == [4 <= index < 22 for index in range(24)]
    (caption,) = clip.captions
    assert np.array_equal(caption.mask, clip.masks()[10])
    shown, clean = clip.captioned[10].y.astype(int), clip.clean[10].y.astype(int)
    assert np.abs(shown - clean)[caption.mask].mean() > 30
    assert np.abs(shown - clean)[~caption.mask].mean() < 3, "only the encoder"


def test_a_case_is_erased_and_scored(clip, tmp_path):
    (tmp_path / "pictures").mkdir()
    result = measure(clip, tmp_path, tmp_path / "pictures", premium=False, is_core=False, stride=4)
    scores = {name: score.psnr for name, score in result.versions.items()}
    methods = ["untouched", "Telea, true mask", "spatial fill, true mask", "edges, true box"]
    methods += ["Normal", "Normal, no network", "Normal, true mask"]
    assert list(scores) == methods
    assert result.made_up_share == pytest.approx(1 - result.coverage, abs=0.1)
    assert scores["untouched"] < min(scores["Telea, true mask"], scores["edges, true box"])
    assert scores["Normal"] > scores["Telea, true mask"]
    assert result.versions["untouched"].residual.left == 5
    assert result.versions["untouched"].ghost == pytest.approx(1)
    assert result.finding.end_errors == (0,)
    assert (result.finding.damaged, result.finding.caption_free, result.finding.changed_outside) == (0, 6, 0)
    assert result.finding.recall > 0.98
    assert min(result.speed.transcode, result.speed.job, result.speed.detect, result.speed.erase) > 0
    strip = cv2.imread(str(tmp_path / "pictures" / f"{CASE.name}.png"))
    assert strip.shape[1] == SIZE[0]


def test_a_caption_that_nothing_reveals_is_scored_where_it_was_made_up(tmp_path):
    case = Case("standing", "still.mp4", 0, 8, (Planned(0, 8, Style("Never seen", "DejaVuSans-Bold")),))
    encode(
        [replace(moving(1, 0.0, *SIZE)[0], index=index, pts=index) for index in range(8)], SIZE, tmp_path / case.file
    )
    clip = draw(case, tmp_path, tmp_path, 640, seed=0)
    result = measure_standing(clip, true_events(clip), tmp_path, tmp_path)
    assert result.made_up_share > 0.9
    assert list(result.versions) == [
        "Telea, true mask",
        "spatial fill, true mask",
        "Normal, no network",
        "Normal",
        "Premium, no network",
        "Premium",
    ]
    assert all(score.made_up_psnr is not None for score in result.versions.values())
    text = standing_report([result])
    assert "| standing-still-0 | 1.00 |" in text
    assert "Premium over Normal, pixels that nothing shows" in text
    assert (tmp_path / f"{case.name}.png").is_file()


def test_quick_takes_one_case_of_each_kind_with_the_number_it_has_in_the_whole_run():
    quick = chosen("", quick=True)
    assert [case.kind for _, case in quick] == list(dict.fromkeys(case.kind for case in CASES))
    assert all(CASES[number] is case for number, case in quick)
    assert {case.file for _, case in chosen("juggle", quick=False)} == {"juggle_park.mp4"}
