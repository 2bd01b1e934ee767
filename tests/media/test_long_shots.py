"""A long shot without a cut is made in pieces, too: the same pixels as in one, whatever stands on it, however long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from jobs import JobRunner, caption
from rendered import look

from domain.detection import Box
from domain.job import EraseSettings, IconErasure, Quality, Region, Stage, UpscaleSettings
from domain.planning import plan_segments
from domain.renewals import LEND_FRAMES, WARM_UP_FRAMES
from domain.work_order import Plan
from gpu_worker.stages.job import EraseRecord, StageJob
from gpu_worker.stages.pipeline import run_stage
from gpu_worker.stages.report import erase_summary
from gpu_worker.stages.upscale import clean_frames
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import probe_video

#: One frame in half a second, so that a minute is soon over; of 90,000 ticks a second.
SLOW = (45_000,)
WHOLE = 1e6
BOX = Box(x0=16, y0=32, x1=80, y1=56)
#: In the corner of the picture.
STATION = Region(x=0.7, y=0.05, width=0.25, height=0.3)
WITH_STATION = EraseSettings(
    captions=EraseSettings().captions, icons=IconErasure(regions=(STATION,), erase_everything=True)
)
#: Two captions with a gap; a renewal is due in the middle of each, and waits.
CAPTIONS = (caption(0, 25, 35, BOX, "one"), caption(1, 60, 75, BOX, "two"))
KINDS = pytest.mark.parametrize(
    ("quality", "interlaced"),
    [(Quality.NORMAL, True), (Quality.PREMIUM, False)],
    ids=["normal, interlaced", "premium, progressive"],
)


@dataclass(frozen=True)
class Made:
    """What a plan makes of a video: the plan, the erase stage's records, and the frames that would be enlarged."""

    plan: Plan
    records: list[EraseRecord]
    frames: list[tuple[int, int, bytes]]


def made(job: StageJob, source: Path, target_seconds: float) -> Made:
    run_stage(job, Stage.DETECT, 0)
    detection = job.detection()
    plan = plan_segments(detection, target_seconds)
    job.workspace.write(job.workspace.keys.plan, plan.model_dump_json().encode())
    records, frames = [], []
    # The last piece first: none needs another's work.
    for segment in reversed(plan.segments):
        if job.order.erase is not None:
            run_stage(job, Stage.ERASE, segment.index)
            record = job.workspace.read(job.workspace.keys.stage_record(Stage.ERASE, segment.index))
            records.append(EraseRecord.model_validate_json(record))
        piece = clean_frames(job, segment, FrameReader(source, probe_video(source)), detection.shots)
        frames.append([(f.index, f.pts, b"".join(p.tobytes() for p in (f.y, f.u, f.v))) for f in piece])
    return Made(plan, records[::-1], [frame for piece in reversed(frames) for frame in piece])


def both(tmp_path: Path, source: Path, target_seconds: float, **settings: object) -> tuple[Made, Made]:
    """The video made in pieces of about so many seconds, and in one."""
    return tuple(
        made(JobRunner(tmp_path / name).job(source, **settings), source, target)
        for name, target in (("pieces", target_seconds), ("whole", WHOLE))
    )


@pytest.mark.parametrize("interlaced", [False, True], ids=["progressive", "interlaced"])
@pytest.mark.parametrize("steps", [SLOW, (30_000, 60_000, 45_000)], ids=["constant rate", "variable rate"])
def test_doubling_takes_the_same_pictures_from_pieces(interlaced, steps, rendered, tmp_path) -> None:
    path = rendered(frames=160, shots=(100,), steps=steps, interlaced=interlaced, width=64, height=48)
    pieces, whole = both(tmp_path, path, 15, upscale=UpscaleSettings())
    assert [segment.start_frame for segment in pieces.plan.segments] == [0, 30, 60, 90, 124]
    assert len(whole.plan.segments) == 1
    assert pieces.frames == whole.frames
    assert [index for index, _, _ in whole.frames] == list(range(160))


@KINDS
def test_captions_go_alike_from_pieces_and_from_the_whole(quality, interlaced, rendered, tmp_path) -> None:
    path = rendered(frames=110, shots=(), steps=SLOW, interlaced=interlaced)
    settings = {"erase": EraseSettings(quality=quality), "upscale": UpscaleSettings(), "captions": CAPTIONS}
    pieces, whole = both(tmp_path, path, 15, **settings)
    first, second = (segment.start_frame for segment in pieces.plan.segments[1:])
    assert CAPTIONS[0].end_frame + LEND_FRAMES <= first <= CAPTIONS[1].start_frame - LEND_FRAMES
    assert second >= CAPTIONS[1].end_frame + LEND_FRAMES
    assert pieces.frames == whole.frames
    assert sum(record.frames_changed for record in pieces.records) == 10 + 15
    assert [record.captions for record in pieces.records if record.captions] == [
        (one,) for one in whole.records[0].captions
    ]


def test_what_never_goes_from_the_picture_is_filled_alike_by_pieces(rendered, tmp_path) -> None:
    # At this rate the fill starts anew after four warm-ups.
    start = 4 * WARM_UP_FRAMES
    crossing = caption(0, start - 20, start + 30, BOX)
    path = rendered(frames=start + 140, shots=(), steps=SLOW, interlaced=True)
    settings = {"erase": WITH_STATION, "upscale": UpscaleSettings(), "captions": (crossing,)}
    pieces, whole = both(tmp_path, path, 20, **settings)
    assert [segment.start_frame for segment in pieces.plan.segments] == [0, start]
    assert pieces.frames == whole.frames
    assert sum(record.frames_changed for record in pieces.records) == len(whole.frames) == start + 140
    detection = JobRunner(tmp_path / "whole").job(path, **settings).detection()
    assert erase_summary(detection, pieces.records) == erase_summary(detection, whole.records)


def test_pieces_of_a_long_shot_join_to_the_same_video(rendered, tmp_path) -> None:
    path = rendered(frames=110, shots=(), steps=SLOW, audio=("aac",))
    settings = {"erase": EraseSettings(), "captions": CAPTIONS}
    whole = JobRunner(tmp_path / "whole")(path, **settings, target_segment_seconds=WHOLE)
    joined = JobRunner(tmp_path / "joined")(path, **settings, target_segment_seconds=15)
    assert sum(time.stage == "erase" for time in joined.report.stages) == 3
    one, many = look(whole.video), look(joined.video)
    assert many.seconds == one.seconds == look(path).seconds
    assert many.audio == one.audio
    assert joined.report.erase == whole.report.erase
