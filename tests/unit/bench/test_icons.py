"""The icon bench from end to end, on a clip and a logo that are drawn here."""

import cv2
import numpy as np
import pytest

from bench.captioned_clips import encode
from bench.icon_cases import CASES, JUMP_FRAMES, IconCase, Logo
from bench.icon_clips import draw
from bench.icon_finding import finding_of
from bench.icons import EDGES, TELEA, TRUE, UNTOUCHED, chosen, gates, measure
from bench.tables import SPATIAL, WITHOUT_NETWORK
from domain.detection import Detection, IconBehaviour, Shot
from tests.unit.captions.drawn import moving

SIZE = (320, 180)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a clean clip and a logo."""
    folder = tmp_path_factory.mktemp("clips")
    encode(moving(60, 1.0, *SIZE), SIZE, folder / "clean.mp4")
    logo = np.zeros((60, 90, 4), np.uint8)
    cv2.circle(logo, (45, 30), 26, (250, 245, 240, 255), cv2.FILLED, cv2.LINE_AA)
    cv2.imwrite(str(folder / "logo.png"), logo)
    return folder


def drawn(folder, tmp_path, frames=20, **changes):
    case = IconCase("moving", "clean.mp4", 0, frames, Logo("logo.png", height=0.2, **changes), 20)
    return draw(case, folder, folder, tmp_path, 640)


def detection(clip, *tracks):
    count = len(clip.clean)
    return Detection(
        frame_count=count,
        time_base="1/25",
        first_pts=0,
        duration_seconds=count / 25,
        seekable=True,
        shots=(Shot(start_frame=0, end_frame=count, start_pts=0),),
        icons=tracks,
    )


def test_a_drawn_logo_knows_its_truth(folder, tmp_path):
    clip = drawn(folder, tmp_path, opacity=0.5)
    mask = clip.masks()[7]
    shown, clean = clip.marked[7].y.astype(int), clip.clean[7].y.astype(int)
    assert np.abs(shown - clean)[mask].mean() > 8
    assert np.abs(shown - clean)[~mask].mean() < 3, "only the encoder"
    finding = finding_of(clip, detection(clip, clip.track))
    assert (finding.is_found, finding.false_tracks, finding.frame_error) == (True, 0, 0)
    assert finding.overlap > 0.99


def test_a_logo_that_jumps_is_followed_to_the_frame(folder, tmp_path):
    clip = drawn(folder, tmp_path, JUMP_FRAMES + 8, behaviour=IconBehaviour.JUMPING)
    first, second = clip.track.places
    assert (first.end_frame, second.start_frame, first.y != second.y) == (JUMP_FRAMES, JUMP_FRAMES, True)
    late = [first.model_copy(update={"end_frame": first.end_frame + 2}), second]
    finding = finding_of(clip, detection(clip, clip.track.model_copy(update={"places": tuple(late)})))
    assert finding.frame_error == 2
    missed = finding_of(clip, detection(clip, clip.track.model_copy(update={"places": (first,)})))
    assert missed.frame_error is None


def test_an_icon_elsewhere_is_a_false_alarm(folder, tmp_path):
    clip = drawn(folder, tmp_path)
    (place,) = clip.track.places
    elsewhere = clip.track.model_copy(update={"places": (place.model_copy(update={"x": 40, "y": 110}),)})
    finding = finding_of(clip, detection(clip, elsewhere))
    assert (finding.is_found, finding.false_tracks, finding.frame_error) == (False, 1, None)
    nothing = finding_of(clip, detection(clip))
    assert (nothing.is_found, nothing.false_tracks, nothing.mask.recall) == (False, 0, 0.0)


def test_a_case_is_erased_and_scored(folder, tmp_path):
    result = measure(drawn(folder, tmp_path, opacity=0.5), tmp_path, tmp_path, search=False)
    scores = {name: score.psnr for name, score in result.versions.items()}
    assert list(scores) == [UNTOUCHED, TELEA, SPATIAL, EDGES, TRUE, WITHOUT_NETWORK]
    assert 0 <= result.made_up_share < 1
    assert scores[TRUE] > scores[TELEA] + 5
    assert gates([result])[2][2] == f"{scores[TRUE] - scores[TELEA]:.2f} dB"
    assert (tmp_path / f"{result.case.name}.png").is_file()


def test_cases_differ_by_name_and_quick_takes_every_third():
    assert len({case.name for case in CASES} | {case.start for case in CASES}) >= len(CASES)
    assert len(chosen("", quick=True)) == -(-len(CASES) // 3)
    assert {case.file for case in chosen("juggle", quick=False)} == {"juggle_park.mp4"}
