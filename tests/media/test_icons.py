"""A drawn logo, found and erased by the command line; previewed before; and what the options refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from rendered import look

from bench.captioned_clips import encode, frames_of
from gpu_worker.cli import main
from tests.unit.captions.drawn import HEIGHT, WIDTH, moving
from tests.unit.fill import drawn_icons

AT = (WIDTH - drawn_icons.WIDTH - 20, 16)
COUNT = 100


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A panning scene with a logo in its corner all the time: clean frames, and the file."""
    clean = moving(COUNT, 3.0)
    path = tmp_path_factory.mktemp("clip") / "marked.mp4"
    encode([drawn_icons.with_logo(frame, *AT, 1.0) for frame in clean], (WIDTH, HEIGHT), path)
    return clean, path


def test_a_logo_goes_and_the_report_says_which(clip, tmp_path, capsys) -> None:
    clean, path = clip
    out, report = tmp_path / "out.mp4", tmp_path / "report"
    assert main(["erase", str(path), str(out), "--icons", "--report", str(report)]) == 0
    assert "1 icon removed" in capsys.readouterr().out
    erase = json.loads((report / "report.json").read_text())["erase"]
    (track,) = erase["icon_tracks"]
    (place,) = track["places"]
    assert (track["behaviour"], place["start_frame"], place["end_frame"]) == ("still", 0, COUNT)
    box = place["box"]
    assert box["x0"] <= AT[0] + 20
    assert box["x1"] >= AT[0] + 52
    assert erase["outside_difference"] == 0
    shares = track["recovered_share"], track["unmatted_share"], track["filled_share"]
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    inside = np.zeros((HEIGHT, WIDTH), dtype=bool)
    inside[AT[1] : AT[1] + drawn_icons.HEIGHT, AT[0] : AT[0] + drawn_icons.WIDTH] = drawn_icons.opacity(1.0) > 0.02
    marked, done = (list(frames_of(file, 0, COUNT, WIDTH)) for file in (path, out))
    painted = [replace(f, y=cv2.inpaint(f.y, inside.astype(np.uint8), 3, cv2.INPAINT_TELEA)) for f in marked]

    def error(frames):
        return np.mean([np.square(frames[i].y[inside].astype(float) - clean[i].y[inside]) for i in range(COUNT)])

    assert error(done) < error(painted) < error(marked) / 4
    assert (report / "before_after.png").is_file()


def test_a_preview_shows_it_first(clip, tmp_path, capsys) -> None:
    _, path = clip
    preview = tmp_path / "preview"
    assert main(["detect", str(path), "--icons", "--preview", str(preview)]) == 0
    assert "1 icon" in capsys.readouterr().out
    timeline = json.loads((preview / "timeline.json").read_text())
    assert timeline["captions"] == []
    (icon,) = timeline["icons"]
    assert (icon["picture"], icon["kind"] in {"tv", "internet"}) == ("icon-00000.png", True)
    picture = cv2.imread(str(preview / icon["picture"]))
    edge = (picture == (255, 0, 255)).all(axis=2)
    rows, columns = np.nonzero(edge)
    assert abs(columns.mean() - AT[0] - drawn_icons.WIDTH / 2) < 12
    assert abs(rows.mean() - AT[1] - drawn_icons.HEIGHT / 2) < 12


def test_where_there_is_none_the_video_passes_through(rendered, tmp_path, capsys) -> None:
    path, out = rendered(width=160, height=96), tmp_path / "clean.mp4"
    assert main(["erase", str(path), str(out), "--icons"]) == 0
    assert "no icon was found" in capsys.readouterr().out
    assert look(out).luma_digests == look(path).luma_digests


def test_all_of_a_region_counts_as_an_icon(rendered, tmp_path) -> None:
    path, out = rendered(bar=(10, 40, 30, 56), bar_frames=(0, 48), shots=(24,)), tmp_path / "clean.mp4"
    region = ["--icons", "--kind", "internet", "--everything", "--icon-region", "0.1,0.6,0.24,0.3"]
    assert main(["erase", str(path), str(out), *region, "--report", str(tmp_path / "report")]) == 0
    erased = json.loads((tmp_path / "report" / "report.json").read_text())["erase"]
    assert (erased["captions"], erased["events"], erased["icons"]) == (0, [], 1)
    (track,) = erased["icon_tracks"]
    assert (track["kind"], track["kind_confidence"], track["name"]) == ("internet", 0.0, None)
    spans = [(place["start_frame"], place["end_frame"]) for place in track["places"]]
    assert (spans[0][0], spans[-1][1]) == (0, 48)
    assert all(place["box"] == {"x0": 9, "y0": 38, "x1": 33, "y1": 58} for place in track["places"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "tv"], "--kind belongs to --icons"),
        (["--icon-region", "0,0,0.5,0.5"], "--icon-region belongs to --icons"),
        (["--icons", "--region", "0,0,0.5,0.5"], "--region belongs to --captions"),
        (["--icons", "--anywhere"], "--anywhere belongs to --captions"),
        (["--icons", "--kind", "tv,radio"], "the kinds are tv, internet"),
        (["--icons", "--kind", "tv,tv"], "name each kind once"),
        (["--icons", "--icon-region", "0,0"], "write X,Y,W,H"),
        (["--icons", "--everything"], "erase_everything needs at least one region"),
        (["--icons", "--icon-library", "nowhere"], "neither a folder tv nor a folder internet"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words, rendered, tmp_path, capsys) -> None:
    path = rendered(width=160, height=96, frames=6, audio=())
    assert main(["erase", str(path), str(tmp_path / "out.mp4"), *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()
