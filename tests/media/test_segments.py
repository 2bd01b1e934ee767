"""Pieces that were made apart join to the video that one piece would have been."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from jobs import JobRunner, caption
from rendered import VFR_STEPS, look

from domain.detection import Box, Detection
from domain.job import EraseSettings, Quality, UpscaleSettings
from domain.work_order import Plan, Segment
from gpu_worker.fill.eraser import erase
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.video.patches import apply_patches
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import probe_video
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


@pytest.mark.parametrize("quality", list(Quality))
def test_pieces_have_the_pixels_that_the_whole_would_have_before_they_are_encoded(quality, rendered, tmp_path) -> None:
    path = rendered(frames=48, shots=(16, 32))
    # One stays on screen over a cut, and so stands in two pieces.
    spans = ((2, 10), (12, 22), (34, 46))
    captions = tuple(caption(index, *span, Box(x0=16, y0=32, x1=80, y1=56)) for index, span in enumerate(spans))
    joined = JobRunner(tmp_path)(path, erase=EraseSettings(), captions=captions, target_segment_seconds=0.4)
    plan = Plan.model_validate_json(joined.workspace.read("plan.json"))
    detection = Detection.model_validate_json(joined.workspace.read("detection.json"))
    whole = Segment(index=0, start_frame=0, end_frame=48, start_pts=plan.segments[0].start_pts, end_pts=None)
    assert len(plan.segments) == 3

    def pixels(segments: tuple[Segment, ...]) -> list[bytes]:
        found = []
        for segment in segments:
            overlays = tuple(
                overlay
                for overlay in overlays_of(detection.captions, ())
                if overlay.start_frame < segment.end_frame and overlay.end_frame > segment.start_frame
            )
            reader = FrameReader(path, probe_video(path))
            for frame, patches in erase(reader.segment(segment), overlays, detection.shots, quality):
                clean = apply_patches(frame, patches)
                found.append(b"".join(plane.tobytes() for plane in (clean.y, clean.u, clean.v)))
        return found

    made = pixels(plan.segments)
    assert made == pixels((whole,))
    assert made != [
        b"".join(p.tobytes() for p in (f.y, f.u, f.v)) for f in FrameReader(path, probe_video(path)).segment(whole)
    ]


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
