"""A segment is filled alike by one process and by several; what goes wrong in another process is told in this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from jobs import JobRunner, caption
from rendered import Source, render

from domain.detection import Box, Detection
from domain.errors import InvalidRequestError, UnreadableVideoError
from domain.job import EraseSettings, Quality, Stage
from domain.work_order import Segment
from gpu_worker.cli import main
from gpu_worker.fill.eraser import EraseReport
from gpu_worker.fill.learned import learned_fill_of
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.inference.session import Device
from gpu_worker.stages import filling
from gpu_worker.stages.filling import FillTask, fill_segment
from gpu_worker.stages.pipeline import run_stage
from gpu_worker.video.source import probe_video

#: Two pictures a second: a part is as long as six.
SLOW = (45_000,)
#: In a picture of which most is not looked at.
BOX = Box(x0=16, y0=200, x1=80, y1=224)
#: With gaps in which the fill forgets, one of them on screen over a cut.
CAPTIONS = tuple(caption(index, *life, BOX) for index, life in enumerate(((1, 5), (14, 19), (36, 44), (60, 70))))
FRAMES = 80


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return render(
        tmp_path_factory.mktemp("source"), Source(frames=FRAMES, shots=(40,), steps=SLOW, width=96, height=256)
    )


@pytest.fixture(scope="module")
def detection(path, tmp_path_factory) -> Detection:
    job = JobRunner(tmp_path_factory.mktemp("job")).job(path, erase=EraseSettings(), captions=CAPTIONS)
    run_stage(job, Stage.DETECT, 0)
    return job.detection()


def task_of(path: Path, detection: Detection, quality: Quality = Quality.NORMAL, **changes: object) -> FillTask:
    segment = Segment(index=0, start_frame=0, end_frame=FRAMES, start_pts=detection.first_pts, end_pts=None)
    task = FillTask(
        path=path,
        facts=probe_video(path),
        settings=EraseSettings(quality=quality),
        device=Device.CPU,
        fill_model=learned_fill_of(quality) or "",
        detection=detection,
        overlays=overlays_of(detection.captions),
        segment=segment,
        shown=range(FRAMES),
    )
    return replace(task, **changes)


def filled(task: FillTask, processes: int) -> tuple[list[tuple[int, bytes]], EraseReport]:
    report = EraseReport()
    frames = [
        (frame.index, b"".join(plane.tobytes() for patch in patches for plane in (patch.y, patch.u, patch.v)))
        for frame, patches in fill_segment(task, report, processes)
    ]
    return frames, report


@pytest.mark.parametrize("quality", list(Quality))
def test_several_processes_fill_as_one_does(quality, path, detection) -> None:
    task = task_of(path, detection, quality)
    alone, report = filled(task, 1)
    together, joined = filled(task, 3)
    assert together == alone
    assert [index for index, patches in alone if patches] == [
        index for index in range(FRAMES) if any(c.start_frame <= index < c.end_frame for c in CAPTIONS)
    ]
    for each in (report, joined):
        each.seconds = each.review_seconds = 0
    assert joined == report
    assert report.frames == FRAMES


def test_only_rows_near_what_is_filled_are_looked_at(path, detection) -> None:
    above = overlays_of((caption(9, 0, 4, Box(x0=0, y0=150, x1=40, y1=170)),))
    at_top = overlays_of((caption(9, 0, 4, Box(x0=0, y0=4, x1=40, y1=24)),))
    task = task_of(path, detection)
    (rows,) = filling._rows_looked_at(task)
    assert 150 < rows.start <= 200 - 24
    assert 224 + 24 <= rows.stop <= 256
    assert filling._rows_looked_at(replace(task, overlays=task.overlays + above))[0].start < rows.start
    assert [span.start for span in filling._rows_looked_at(replace(task, overlays=task.overlays + at_top))] == [
        0,
        rows.start,
    ]


def test_neighbours_of_a_segment_are_shown_and_not_counted(path, detection) -> None:
    cut = detection.shots[1]
    renewal = next(each for each in detection.renewals if 19 < each.frame < 36)
    segment = Segment(
        index=1,
        start_frame=renewal.frame,
        end_frame=FRAMES,
        start_pts=renewal.pts,
        end_pts=None,
        lead_frames=renewal.lead_frames,
        lead_pts=renewal.lead_pts,
    )
    task = task_of(path, detection, segment=segment, shown=range(renewal.frame - 1, FRAMES))
    alone, report = filled(task, 1)
    together, joined = filled(task, 2)
    assert together == alone
    assert [index for index, _ in alone] == list(range(renewal.frame - 1, FRAMES))
    assert joined.frames == report.frames == FRAMES - renewal.frame
    assert joined.frames_changed == sum(c.end_frame - c.start_frame for c in CAPTIONS[2:])
    assert cut.start_frame in range(CAPTIONS[2].start_frame, CAPTIONS[2].end_frame)


def test_a_file_that_decodes_otherwise_is_told_from_another_process(path, detection) -> None:
    renewals = tuple(each.model_copy(update={"pts": each.pts + 1}) for each in detection.renewals)
    task = task_of(path, detection.model_copy(update={"renewals": renewals}))
    with pytest.raises(UnreadableVideoError):
        filled(task, 3)
    assert not multiprocessing.active_children()


def test_a_network_that_is_none_is_refused(path, detection, tmp_path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(b"no network")
    with pytest.raises(InvalidRequestError, match=r"own\.onnx is no network"):
        filled(task_of(path, detection, Quality.PREMIUM, fill_model=str(own)), 3)
    assert not multiprocessing.active_children()


def test_a_process_that_is_ended_is_an_error_in_one_sentence(path, detection) -> None:
    frames = fill_segment(task_of(path, detection), EraseReport(), 2)
    next(frames)
    (child,) = multiprocessing.active_children()
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="ended with -9: was there too little memory"):
        list(frames)
    assert not multiprocessing.active_children()


def test_a_worker_of_which_a_process_was_killed_ends_as_if_it_was_killed(path, tmp_path, monkeypatch, capsys) -> None:
    def killed(*_: object) -> None:
        raise ChildProcessError("a process that fills ended with -9")

    monkeypatch.setattr("gpu_worker.stages.erase.fill_segment", killed)
    everything = ("--everything", "--region", "0.2,0.7,0.6,0.2")
    assert main(["erase", str(path), str(tmp_path / "out.mp4"), *everything]) == 137
    assert capsys.readouterr().err.endswith("error: a process that fills ended with -9\n")
    assert not (tmp_path / "out.mp4").exists()


def test_who_stops_early_does_not_wait_for_what_another_process_is_at(path, detection, monkeypatch) -> None:
    # Nothing comes of the other process: it is stopped.
    frames = fill_segment(task_of(path, detection), EraseReport(), 2)
    next(frames)
    (child,) = multiprocessing.active_children()
    os.kill(child.pid, signal.SIGSTOP)
    frames.close()
    assert not multiprocessing.active_children()


def test_who_stops_early_leaves_no_process(path, detection) -> None:
    frames = fill_segment(task_of(path, detection), EraseReport(), 3)
    next(frames)
    assert len(multiprocessing.active_children()) == 2
    frames.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("machine", "expected"),
    [((1, 64), 1), ((2, 64), 2), ((64, 64), 4), ((64, 1), 1), ((64, 3), 3)],
    ids=["one core", "two cores", "as many as there is work for", "no memory", "some memory"],
)
def test_as_many_processes_fill_as_cores_memory_and_work_allow(machine, expected, path, detection, monkeypatch) -> None:
    cores, gigabytes = machine
    monkeypatch.setattr(filling, "core_count", lambda: cores)
    monkeypatch.setattr(filling, "free_memory", lambda: gigabytes * 1_000_000_000)
    monkeypatch.setattr(filling, "_LEAST_FRAMES", 6)
    assert filling._process_count(task_of(path, detection), parts=9) == expected
