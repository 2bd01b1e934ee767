"""Erase touches what a mask covers and nothing else; where there is nothing to do, the source passes through."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from jobs import JobRunner, caption
from rendered import VFR_STEPS, Source, look, picture_at

from domain.detection import Box
from domain.errors import InvalidRequestError
from domain.job import CaptionErasure, EraseSettings, Stage, UpscaleSettings
from domain.regions import Region, TimeRange
from domain.work_order import Segment
from gpu_worker.stages.detect import detect
from gpu_worker.stages.job import EraseRecord
from gpu_worker.stages.pipeline import run_stage
from gpu_worker.video.patches import PatchStream, patched
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import probe_video
from gpu_worker.workspace import MissingOutputError

BOX = Box(x0=16, y0=32, x1=80, y1=56)
#: The part of the box that the caption's mask covers.
BAR = (32, 38, 64, 50)


def _luma(path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)])


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_patches_replace_the_masked_pixels_and_no_other(pixel_format, rendered, run_job) -> None:
    path = rendered(pixel_format=pixel_format)
    run_job(path, erase=EraseSettings(), upscale=UpscaleSettings(), captions=(caption(0, 18, 30, BOX),))
    job = run_job.job(path)
    record = EraseRecord.model_validate_json(job.workspace.read(job.workspace.keys.stage_record(Stage.ERASE)))
    assert record.outcome == "patches"
    assert record.frames_changed == 12
    streams = [
        PatchStream(patch.box, job.workspace.fetch(job.workspace.keys.segment_file(0, patch.name)))
        for patch in record.patches
    ]
    facts = probe_video(path)
    before = list(FrameReader(path, facts).frames())
    after = list(patched(FrameReader(path, facts).frames(), streams, facts.bit_depth))
    masked = np.zeros((64, 96), bool)
    masked[BAR[1] : BAR[3], BAR[0] : BAR[2]] = True
    for old, new in zip(before, after, strict=True):
        assert (old.index, old.pts) == (new.index, new.pts)
        changed = old.y != new.y
        assert not changed[~masked].any()
        assert changed.any() == (18 <= old.index < 30)


def test_erase_alone_encodes_the_source_once_and_keeps_time_and_sound(rendered, run_job) -> None:
    path = rendered(bar=BAR, bar_frames=(18, 30))
    outcome = run_job(path, erase=EraseSettings(), captions=(caption(0, 18, 30, BOX),))
    before, after = look(path), look(outcome.video)
    assert after.seconds == before.seconds
    assert after.size == before.size
    assert after.audio == before.audio
    old, new = _luma(path).astype(float), _luma(outcome.video).astype(float)
    assert np.abs(old - new)[:, :24].mean() < 3, "above the caption only the encoder shows"
    clean = np.stack([picture_at(Source(), index)[:64] for index in range(18, 30)]).astype(float)
    x0, y0, x1, y1 = BAR
    damage = np.abs(old[18:30] - clean)[:, y0:y1, x0:x1].mean()
    assert np.abs(new[18:30] - clean)[:, y0:y1, x0:x1].mean() < damage / 4
    assert outcome.manifest.upscaler is None
    assert not outcome.manifest.nothing_found
    assert outcome.report.erase is not None
    assert outcome.report.erase.frames_changed == 12


def test_captions_are_written_for_people_and_for_programs(rendered, run_job) -> None:
    path = rendered(rotation=(90.0, False))
    captions = (caption(0, 3, 15, BOX, "first"), caption(1, 18, 30, BOX, ""), caption(2, 33, 45, BOX, "三"))
    outcome = run_job(path, erase=EraseSettings(), captions=captions)
    files = outcome.manifest.files
    assert outcome.workspace.read(files.captions_srt).decode() == (
        "1\n00:00:00,100 --> 00:00:00,500\nfirst\n\n2\n00:00:01,100 --> 00:00:01,500\n三\n"
    )
    assert outcome.workspace.read(files.captions_vtt).decode() == (
        "WEBVTT\n\n00:00:00.100 --> 00:00:00.500\nfirst\n\n00:00:01.100 --> 00:00:01.500\n三\n"
    )
    entries = json.loads(outcome.workspace.read(files.captions_json))["captions"]
    assert [entry["text"] for entry in entries] == ["first", "", "三"]
    # Turned counter-clockwise, the coded right edge is the displayed top.
    shown = entries[0]["box_displayed"]
    if probe_video(path).rotation_degrees == 90:
        assert shown["x"] == pytest.approx(32 / 64, abs=1e-5)
        assert shown["y"] == pytest.approx(1 - 80 / 96, abs=1e-5)
    else:
        assert shown["x"] == pytest.approx(1 - 56 / 64, abs=1e-5)
        assert shown["y"] == pytest.approx(16 / 96, abs=1e-5)
    assert outcome.workspace.read(files.before_after).startswith(b"\x89PNG")


def test_a_video_without_captions_passes_through_untouched(rendered, run_job) -> None:
    path = rendered(chapters=("One",), tags={"title": "A title"})
    outcome = run_job(path, erase=EraseSettings())
    assert look(outcome.video).luma_digests == look(path).luma_digests
    assert look(outcome.video).audio == look(path).audio
    assert look(outcome.video).chapters == ("One",)
    assert outcome.manifest.nothing_found
    assert outcome.manifest.files.before_after is None
    assert outcome.report.result.encoder is None


def test_a_video_without_captions_that_mp4_cannot_hold_is_encoded(rendered, run_job) -> None:
    path = rendered(name="s.avi", codec="ffv1", options={}, time_base=Fraction(1, 30), steps=(1,), audio=())
    outcome = run_job(path, erase=EraseSettings())
    assert outcome.manifest.nothing_found
    assert outcome.report.result.encoder == "libx264"
    assert len(look(outcome.video).seconds) == len(look(path).seconds)


def test_an_odd_picture_is_padded_and_the_report_says_so(rendered, run_job) -> None:
    path = rendered(name="s.mkv", codec="ffv1", options={}, width=95, height=63, steps=(33,), audio=())
    outcome = run_job(path, erase=EraseSettings(), captions=(caption(0, 18, 30, BOX),))
    assert look(outcome.video).size == (96, 64)
    assert any("padded from 95x63" in warning for warning in outcome.report.warnings)


def test_interlaced_video_stays_interlaced(rendered, run_job) -> None:
    path = rendered(interlaced=True, shots=())
    order = probe_video(path).field_order
    outcome = run_job(path, erase=EraseSettings(), captions=(caption(0, 18, 30, BOX),))
    assert order != "progressive"
    assert probe_video(outcome.video).field_order == order


def test_the_source_is_what_the_test_drew(rendered) -> None:
    path = rendered(options={"preset": "ultrafast", "crf": "1"})
    assert np.abs(_luma(path)[5].astype(float) - picture_at(Source(), 5)[:64]).mean() < 2


def test_a_stage_that_is_run_again_does_nothing_twice(rendered, run_job) -> None:
    path = rendered()
    settings = {"erase": EraseSettings(), "upscale": UpscaleSettings(), "captions": (caption(0, 18, 30, BOX),)}
    outcome = run_job(path, **settings)
    stamps = {file: file.stat().st_mtime_ns for file in run_job.folder.rglob("*") if file.is_file()}
    path.unlink()  # whoever looked at the source again would fail
    again = JobRunner(run_job.folder)
    for stage in (Stage.DETECT, Stage.ERASE, Stage.UPSCALE, Stage.ASSEMBLE):
        run_stage(_job_without_source(again, outcome), stage, 0)
    assert again.progress == []
    assert {file: file.stat().st_mtime_ns for file in run_job.folder.rglob("*") if file.is_file()} == stamps


def test_a_piece_that_was_half_made_is_made_again(rendered, run_job) -> None:
    path = rendered()
    settings = {"erase": EraseSettings(), "captions": (caption(0, 18, 30, BOX),)}
    outcome = run_job(path, **settings)
    keys = outcome.workspace.keys
    first, pictures = look(outcome.video), _lumas(outcome.video)
    # What a host that was taken away leaves: a broken piece, and neither the record nor the result.
    piece = outcome.workspace.fetch(keys.segment_file(0, "erased.mp4"))
    piece.write_bytes(piece.read_bytes()[:1000])
    for key in (keys.stage_record(Stage.ERASE), keys.result_manifest):
        outcome.workspace.fetch(key).unlink()
    again = run_job(path, **settings).video
    # What is handed to x264 is the same to the bit; what it makes of it is not, in one run of several.
    assert replace(look(again), luma_digests=()) == replace(first, luma_digests=())
    assert np.abs(_lumas(again) - pictures).mean() < 1


def _lumas(path):
    return np.stack([frame.y.astype(np.float32) for frame in FrameReader(path, probe_video(path)).frames()])


def test_a_stage_that_nobody_asked_for_is_refused(rendered, run_job) -> None:
    job = run_job.job(rendered(), upscale=UpscaleSettings())
    with pytest.raises(InvalidRequestError, match="erase"):
        run_stage(job, Stage.ERASE, 0)


def test_assemble_before_the_pieces_are_there_says_what_is_missing(rendered, run_job) -> None:
    job = run_job.job(rendered(), upscale=UpscaleSettings())
    run_stage(job, Stage.DETECT, 0)
    with pytest.raises(MissingOutputError, match=r"plan\.json"):
        run_stage(job, Stage.ASSEMBLE, 0)


def test_segments_know_only_their_own_captions(rendered, tmp_path) -> None:
    path = rendered(frames=64, shots=(16, 32, 48))
    runner = JobRunner(tmp_path / "job")
    runner(
        path,
        erase=EraseSettings(),
        upscale=UpscaleSettings(),
        captions=(caption(0, 2, 12, BOX), caption(1, 34, 44, BOX)),
        target_segment_seconds=0.4,
    )
    workspace = runner.job(path).workspace
    records = [
        EraseRecord.model_validate_json(workspace.read(workspace.keys.stage_record(Stage.ERASE, index)))
        for index in range(4)
    ]
    assert [record.outcome for record in records] == ["patches", "nothing", "patches", "nothing"]
    assert [record.frames_changed for record in records] == [10, 0, 10, 0]
    plan = runner.job(path).plan()
    assert [segment.start_frame for segment in plan.segments] == [0, 16, 32, 48]
    assert isinstance(plan.segments[0], Segment)


def _job_without_source(runner: JobRunner, outcome):
    from domain.job import ObjectRef
    from domain.work_order import WorkOrder
    from gpu_worker.stages.job import StageJob

    order = WorkOrder(
        job_id=None,
        source=ObjectRef(bucket="", key="/nowhere.mp4"),
        source_facts=outcome.report.source,
        erase=EraseSettings(),
        upscale=UpscaleSettings(),
    )
    return StageJob(outcome.workspace, order, runner.progress.append)


def test_kept_pixels_are_identical_in_every_plane(rendered, run_job) -> None:
    path = rendered(shots=())
    right = Region(x=0.5, y=0, width=0.5, height=1, time_ranges=(TimeRange(start_seconds=0.7, end_seconds=9),))
    settings = EraseSettings(captions=CaptionErasure(keep=(right,)))
    run_job(path, erase=settings, upscale=UpscaleSettings(), captions=(caption(0, 18, 30, BOX),))
    job = run_job.job(path)
    record = EraseRecord.model_validate_json(job.workspace.read(job.workspace.keys.stage_record(Stage.ERASE)))
    streams = [
        PatchStream(patch.box, job.workspace.fetch(job.workspace.keys.segment_file(0, patch.name)))
        for patch in record.patches
    ]
    facts = probe_video(path)
    after = list(patched(FrameReader(path, facts).frames(), streams, facts.bit_depth))
    for old, new in zip(FrameReader(path, facts).frames(), after, strict=True):
        if not 18 <= old.index < 30:
            continue
        kept = old.index >= 21  # shown at 0.7 s
        assert (old.y != new.y)[:, 48:].any() != kept
        assert (old.y != new.y)[:, :48].any()
        for plane in ("u", "v") if kept else ():
            np.testing.assert_array_equal(getattr(old, plane)[:, 24:], getattr(new, plane)[:, 24:])


def test_everything_in_a_region_is_erased_but_what_is_kept(rendered, run_job) -> None:
    path = rendered(bar=BAR, bar_frames=(0, 48), steps=VFR_STEPS)
    region = Region(x=0.2, y=0.5, width=0.6, height=0.4, time_ranges=(TimeRange(start_seconds=0.3, end_seconds=9),))
    keep = Region(x=0.5, y=0, width=0.5, height=1)
    captions = CaptionErasure(erase_everything=True, regions=(region,), keep=(keep,))
    job = run_job.job(path, erase=EraseSettings(captions=captions), captions=(caption(0, 0, 1, BOX),))
    detect(job)
    seconds = look(path).seconds
    start = next(index for index, shown in enumerate(seconds) if shown >= seconds[0] + 0.3)
    events = job.detection().captions
    assert [(event.start_frame, event.end_frame) for event in events] == [(start, 16), (16, 32), (32, 48)]
    # From 0.2 of 96 columns to the last whose colour is not column 48's.
    assert {(event.box.x0, event.box.x1, event.box.y0, event.box.y1) for event in events} == {(19, 44, 32, 58)}
    outcome = run_job(path, erase=EraseSettings(captions=captions))
    assert not outcome.manifest.nothing_found
    assert outcome.report.erase is not None
    assert outcome.report.erase.frames_changed == 48 - start


def test_a_picture_of_which_nothing_would_be_left_is_refused(rendered, run_job) -> None:
    """The rim that the request leaves is a pixel of 64 lines, and less than one of 32."""
    region = Region(x=0, y=0, width=1, height=0.985)
    settings = EraseSettings(captions=CaptionErasure(erase_everything=True, regions=(region,)))
    path = rendered(frames=6, shots=(), height=32)
    with pytest.raises(InvalidRequestError, match="cover all of the 96x32 picture"):
        run_job(path, erase=settings)
    path = rendered(frames=6, shots=(), height=64)
    assert look(run_job(path, erase=settings).video).seconds == look(path).seconds
