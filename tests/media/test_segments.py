"""Pieces that were made apart join to the video that one piece would have been."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from jobs import JobRunner, caption
from rendered import VFR_STEPS, look

from domain.detection import Box
from domain.job import EraseSettings, UpscaleSettings
from gpu_worker.video.timeline import decoding_times


def _luma(path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]).astype(float)


def _decoding_order(path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(p.dts, p.pts) for p in container.demux(video=0) if p.dts is not None]


@pytest.mark.parametrize("steps", [(3000,), VFR_STEPS], ids=["constant rate", "variable rate"])
@pytest.mark.parametrize("bitrate_mbps", [None, 4], ids=["erase", "upscale"])
def test_small_pieces_join_to_the_same_video(steps, bitrate_mbps, rendered, tmp_path) -> None:
    path = rendered(steps=steps, frames=64, shots=(16, 32, 48), audio=("aac", "aac"))
    captions = (caption(0, 4, 40, Box(x0=16, y0=32, x1=80, y1=56)),)
    settings = {
        "erase": EraseSettings(),
        "upscale": None if bitrate_mbps is None else UpscaleSettings(bitrate_mbps=bitrate_mbps),
        "captions": captions,
    }
    whole = JobRunner(tmp_path / "whole")(path, **settings)
    joined = JobRunner(tmp_path / "joined")(path, **settings, target_segment_seconds=0.4)
    assert len(joined.workspace.read("plan.json")) > len(whole.workspace.read("plan.json"))
    assert sum(time.stage == "erase" for time in joined.report.stages) == 4
    one, many = look(whole.video), look(joined.video)
    assert many.seconds == one.seconds == look(path).seconds
    assert many.audio == one.audio
    assert np.abs(_luma(joined.video) - _luma(whole.video)).mean() < 2
    order = _decoding_order(joined.video)
    assert all(later[0] > earlier[0] for earlier, later in pairwise(order))
    assert all(dts <= pts for dts, pts in order)


def test_a_hole_in_the_time_between_two_pieces_stays_a_hole(rendered, run_job) -> None:
    # The sixteenth frame stands for two seconds, then comes a cut: the joint lies behind a long gap.
    steps = tuple(180_000 if index == 15 else 3000 for index in range(48))
    path = rendered(steps=steps)
    outcome = run_job(path, upscale=UpscaleSettings(bitrate_mbps=4), target_segment_seconds=0.4)
    assert look(outcome.video).seconds == look(path).seconds


@pytest.mark.parametrize(
    ("shown_order", "expected"),
    [
        pytest.param([0, 10, 20], [0, 10, 20], id="no reordering"),
        pytest.param([0, 30, 10, 20], [-10, 0, 10, 20], id="B-frames"),
        pytest.param([0, 30, 10, 20, 40, 95, 50, 70], [-10, 0, 10, 20, 30, 40, 50, 70], id="uneven steps"),
        pytest.param([0, 40, 20, 10, 30], [-20, -10, 0, 10, 20], id="pyramid"),
    ],
)
def test_decoding_times_increase_and_never_lag_behind_presentation(shown_order, expected) -> None:
    times = decoding_times(shown_order, 10)
    assert times == expected
    assert all(dts <= pts for dts, pts in zip(times, shown_order, strict=True))


def test_a_piece_that_the_file_cannot_be_entered_for_is_still_found(rendered, run_job) -> None:
    # One keyframe in the whole file: every piece has to be decoded from the front.
    path = rendered(frames=64, shots=(16, 32, 48), options={"preset": "ultrafast", "g": "1000", "sc_threshold": "0"})
    outcome = run_job(path, upscale=UpscaleSettings(bitrate_mbps=4), target_segment_seconds=0.4)
    assert sum(time.stage == "upscale" for time in outcome.report.stages) == 4
    assert look(outcome.video).seconds == tuple(Fraction(index, 30) for index in range(64))
