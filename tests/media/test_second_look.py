"""What a too small mask leaves is found and filled again, and what is kept stays untouched all the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from jobs import caption
from rendered import Source, picture_at

from domain.detection import Box
from domain.job import CaptionErasure, EraseSettings, Stage, UpscaleSettings
from domain.regions import Region, TimeRange
from gpu_worker.cli import main
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.fill.second_look import Redone
from gpu_worker.inference.session import Device
from gpu_worker.review.larger_mask import larger_mask
from gpu_worker.stages.filling import open_second_look
from gpu_worker.stages.job import EraseRecord
from gpu_worker.video.patches import PatchStream, patched
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import probe_video

BOX = Box(x0=16, y0=32, x1=80, y1=56)
#: Two pixels larger on each side than the mask of ``caption(…, BOX)``.
BAR = (30, 36, 66, 52)
SMALL = caption(0, 18, 30, BOX)
(SMALL_OVERLAY,) = overlays_of((SMALL,))


def _before_and_after(path, run_job):
    job = run_job.job(path)
    record = EraseRecord.model_validate_json(job.workspace.read(job.workspace.keys.stage_record(Stage.ERASE)))
    streams = [
        PatchStream(patch.box, job.workspace.fetch(job.workspace.keys.segment_file(0, patch.name)))
        for patch in record.patches
    ]
    facts = probe_video(path)
    before = list(FrameReader(path, facts).frames())
    after = list(patched(FrameReader(path, facts).frames(), streams, facts.bit_depth))
    return record, before, after


def test_a_mask_that_was_too_small_is_grown(rendered, run_job) -> None:
    path = rendered(bar=BAR, bar_frames=(18, 30), shots=())
    outcome = run_job(path, erase=EraseSettings(), upscale=UpscaleSettings(), captions=(SMALL,))
    record, before, after = _before_and_after(path, run_job)
    (event,) = record.captions
    assert (event.redone, event.passed) == (Redone.LARGER_MASK, True)
    assert record.outside_difference == 0
    grown = larger_mask(SMALL_OVERLAY, 2, (96, 64))
    mask = np.zeros((64, 96), dtype=bool)
    mask[grown.box.y0 : grown.box.y1, grown.box.x0 : grown.box.x1] = grown.mask
    for old, new in zip(before, after, strict=True):
        assert np.array_equal(old.y[~mask], new.y[~mask])
    clean = [picture_at(Source(shots=()), index)[:64].astype(float) for index in range(18, 30)]
    x0, y0, x1, y1 = BAR
    left = [np.abs(after[i].y[y0:y1, x0:x1] - clean[i - 18][y0:y1, x0:x1]).mean() for i in range(18, 30)]
    assert np.mean(left) < 12
    assert outcome.report.erase.captions_redone == 1
    assert outcome.report.erase.events[0].redone is Redone.LARGER_MASK
    assert outcome.report.warnings == ()


@pytest.mark.parametrize("edge", [0.65, 0.72], ids=["over the mask", "beside the mask"])
def test_no_attempt_touches_what_is_kept(edge, rendered, run_job) -> None:
    """A part of the bar is kept, so that the result fails and is filled again, each time beside the kept pixels."""
    path = rendered(bar=BAR, bar_frames=(18, 30), shots=())
    keep = Region(x=edge, y=0, width=1 - edge, height=1)
    settings = EraseSettings(captions=CaptionErasure(keep=(keep,)))
    run_job(path, erase=settings, upscale=UpscaleSettings(), captions=(SMALL,))
    record, before, after = _before_and_after(path, run_job)
    assert not record.captions[0].passed
    assert record.outside_difference == 0
    first = int(edge * 96)
    for old, new in zip(before, after, strict=True):
        assert np.array_equal(old.y[:, first:], new.y[:, first:])
        assert np.array_equal(old.u[:, first // 2 :], new.u[:, first // 2 :])
        assert np.array_equal(old.v[:, first // 2 :], new.v[:, first // 2 :])
    assert any((old.y != new.y).any() for old, new in zip(before, after, strict=True))


def test_a_larger_mask_ends_where_kept_colour_begins(rendered) -> None:
    facts = probe_video(rendered(frames=6, shots=()))
    keep = Region(x=0.72, y=0, width=0.28, height=1)
    settings = EraseSettings(captions=CaptionErasure(keep=(keep,)))
    missed = (Box(x0=60, y0=40, x1=90, y1=48),)

    def right_end(settings):
        larger = open_second_look(settings, facts, Device.CPU).enlarge(SMALL_OVERLAY, missed)
        return larger.box.x0 + int(np.flatnonzero(larger.mask.any(axis=0))[-1]) + 1

    assert right_end(EraseSettings()) == 82
    # Column 69 is kept: its colour is that of column 68, which two samples of colour beside it may not change.
    assert right_end(settings) == 64
    # Nor is it touched while the region does not count: a caption may last longer than that.
    later = keep.model_copy(update={"time_ranges": (TimeRange(start_seconds=1, end_seconds=2),)})
    assert right_end(EraseSettings(captions=CaptionErasure(keep=(later,)))) == 64


def test_a_region_that_is_erased_as_a_whole_does_not_grow(rendered) -> None:
    facts = probe_video(rendered(frames=6, shots=()))
    region = Region(x=0.2, y=0.5, width=0.6, height=0.4)
    whole = CaptionErasure(erase_everything=True, regions=(region,))
    assert open_second_look(EraseSettings(captions=whole), facts, Device.CPU).enlarge(SMALL_OVERLAY, ()) is None
    assert open_second_look(EraseSettings(), facts, Device.CPU).enlarge(SMALL_OVERLAY, ()) is not None


def test_a_mask_between_kept_regions_that_cannot_grow_says_so(rendered) -> None:
    facts = probe_video(rendered(frames=6, shots=()))
    around = (Region(x=0, y=0, width=1, height=34 / 64), Region(x=0, y=54 / 64, width=1, height=10 / 64))
    settings = EraseSettings(captions=CaptionErasure(keep=around))
    enlarge = open_second_look(settings, facts, Device.CPU).enlarge
    box = Box(x0=0, y0=38, x1=96, y1=50)
    full = replace(SMALL_OVERLAY, box=box, mask=np.ones((12, 96), dtype=bool))
    assert enlarge(full, ()) is None


def test_the_command_line_prints_what_the_report_warns_of(rendered, tmp_path, capsys) -> None:
    path = rendered(name="s.mkv", codec="ffv1", options={}, width=95, height=63, frames=6, steps=(33,), audio=())
    arguments = ["erase", str(path), str(tmp_path / "out.mp4")]
    assert main(arguments) == 0
    assert "warning" not in capsys.readouterr().out
    assert main([*arguments, "--report", str(tmp_path / "report")]) == 0
    assert "warning: the picture was padded from 95x63 to 96x64" in capsys.readouterr().out
