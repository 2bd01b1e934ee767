"""The command line on one machine: outputs whole or not at all, bad input in one line, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rendered import look

from domain.errors import InvalidRequestError
from gpu_worker.cli import main, parse_region
from local import demo_clip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(rendered, tmp_path, monkeypatch) -> Path:
    """The working folder, with a video, a text that calls itself one, and a folder that does."""
    rendered()
    (tmp_path / "text.mp4").write_text("a text")
    (tmp_path / "folder.mp4").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_upscale_writes_the_video_and_the_report(rendered, tmp_path, capsys) -> None:
    path = rendered()
    out, report = tmp_path / "big.mp4", tmp_path / "report"
    assert main(["upscale", str(path), str(out), "--bitrate-mbps", "3", "--report", str(report)]) == 0
    assert look(out).size == (192, 128)
    assert look(out).seconds == look(path).seconds
    assert json.loads((report / "report.json").read_text())["upscaler"] == "fast"
    assert sorted(file.name for file in report.iterdir()) == ["before_after.png", "report.json"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["big.mp4", "report", "source.mp4"]
    assert capsys.readouterr().err == ""


def test_erase_says_when_there_was_nothing_to_erase(rendered, tmp_path, capsys) -> None:
    path, out = rendered(width=160, height=96), tmp_path / "clean.mp4"
    assert main(["erase", str(path), str(out), "--region", "0,0,0.5,0.3@0-1"]) == 0
    assert "no caption was found" in capsys.readouterr().out
    assert look(out).luma_digests == look(path).luma_digests


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["upscale", "none.mp4", "out.mp4"], "there is no file"),
        (["upscale", "text.mp4", "out.mp4"], "not a readable video"),
        (["upscale", "source.mp4", "source.mp4"], "is the input"),
        (["upscale", "source.mp4", "no/such/folder/out.mp4"], "no folder"),
        (["upscale", "source.mp4", "folder.mp4"], "is a folder"),
        (["upscale", "source.mp4", "out.avi"], "ends in .mp4"),
        (["upscale", "source.mp4", "out.mp4", "--report", "text.mp4"], "is a file"),
        (["upscale", "source.mp4", "out.mp4", "--bitrate-mbps", "0"], "bitrate_mbps"),
        (["upscale", "source.mp4", "out.mp4", "--bitrate-mbps", "101"], "bitrate_mbps"),
        (["upscale", "source.mp4", "out.mp4", "--bitrate-mbps", "ten"], "--bitrate-mbps"),
        (["upscale", "source.mp4", "out.mp4", "--model", "none"], "no upscaler called none"),
        (["erase", "source.mp4", "out.mp4", "--region", "0,0,1"], "X,Y,W,H"),
        (["erase", "source.mp4", "out.mp4", "--region", "0,0,1.5,1"], "width"),
        (["erase", "source.mp4", "out.mp4", "--region", "0.5,0,0.6,1"], "inside the frame"),
        (["erase", "source.mp4", "out.mp4", "--region", "0,0,0,1"], "width"),
        (["erase", "source.mp4", "out.mp4", "--region", "0,0,1,0"], "height"),
        (["erase", "source.mp4", "out.mp4", "--region=-0.1,0,1,1"], "x: "),
        (["erase", "source.mp4", "out.mp4", "--region", "nan,0,1,1"], "x: "),
        (["erase", "source.mp4", "out.mp4", "--region", "0,0,1,1@9-5"], "end_seconds"),
        (["erase", "source.mp4", "out.mp4", "--region", "0,0,1,1@5-5"], "end_seconds"),
        (["erase", "source.mp4", "out.mp4", *["--region", "0,0,1,1"] * 3], "at most 2"),
        (["erase", "source.mp4", "out.mp4", "--keep", "0,0,1"], "--keep 0,0,1: write X,Y,W,H"),
        (["erase", "source.mp4", "out.mp4", "--keep", "0,0,1,1.5"], "height"),
        (["erase", "source.mp4", "out.mp4", *["--keep", "0,0,1,1"] * 3], "keep: Tuple should have at most 2"),
        (["erase", "source.mp4", "out.mp4", "--anywhere", "--region", "0,0,1,0.5"], "give one or the other"),
        (["erase", "source.mp4", "out.mp4", "--everything"], "needs at least one region"),
        (["erase", "source.mp4", "out.mp4", "--everything", "--region", "0,0,1,1"], "leave a part of the frame"),
        (["detect", "source.mp4", "--preview", "new", "--everything"], "needs at least one region"),
        (["erase", "source.mp4", "out.mp4", "--quality", "best"], "--quality"),
        (["detect", "source.mp4"], "--preview"),
        (["detect", "none.mp4", "--preview", "new"], "there is no file"),
        (["detect", "text.mp4", "--preview", "new"], "not a readable video"),
        (["detect", "source.mp4", "--preview", "text.mp4"], "is a file"),
        (["detect", "source.mp4", "--preview", "new", "--region", "0,0,2,1"], "width"),
        (["run", "--work-order", "x", "--stage", "plan"], "--stage"),
        (["paint"], "paint"),
        ([], "COMMAND"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, words, folder, capsys) -> None:
    before = sorted(folder.rglob("*"))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_detect_finds_what_an_erase_would(tmp_path, capsys) -> None:
    path, preview = tmp_path / "demo.mp4", tmp_path / "preview"
    demo_clip.draw(path)
    assert main(["detect", str(path), "--preview", str(preview)]) == 0
    assert "timeline.json: 3 captions" in capsys.readouterr().out
    captions = json.loads((preview / "timeline.json").read_text(encoding="utf-8"))["captions"]
    assert [caption["text"] for caption in captions] == [caption.text for caption in demo_clip.CAPTIONS]
    pictures = sorted(file.name for file in preview.glob("*.png"))
    assert pictures == [caption["picture"] for caption in captions]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["demo.mp4", "preview"]


def test_what_is_to_be_kept_is_not_found(tmp_path, capsys) -> None:
    path, preview = tmp_path / "demo.mp4", tmp_path / "preview"
    demo_clip.draw(path)
    assert main(["detect", str(path), "--preview", str(preview), "--keep", "0,0.75,1,0.25@2.4-6"]) == 0
    captions = json.loads((preview / "timeline.json").read_text(encoding="utf-8"))["captions"]
    assert [caption["text"] for caption in captions] == [demo_clip.CAPTIONS[0].text]


def test_everything_in_a_region_goes_without_a_network(rendered, tmp_path, capsys) -> None:
    path, out, report = rendered(bar=(10, 40, 30, 56), bar_frames=(0, 48), shots=()), tmp_path / "o.mp4", tmp_path / "r"
    region = ["--region", "0.1,0.6,0.24,0.3"]
    assert main(["erase", str(path), str(out), "--everything", *region, "--report", str(report)]) == 0
    assert "no caption" not in capsys.readouterr().out
    (entry,) = json.loads((report / "captions.json").read_text())["captions"]
    assert (entry["start_frame"], entry["end_frame"], entry["text"]) == (0, 48, "")
    assert entry["box_pixels"] == {"x0": 9, "y0": 38, "x1": 33, "y1": 58}
    assert (report / "captions.srt").read_text() == ""


def test_detect_says_when_nothing_was_found(rendered, tmp_path, capsys) -> None:
    path, preview = rendered(width=160, height=96), tmp_path / "preview"
    assert main(["detect", str(path), "--preview", str(preview)]) == 0
    assert "no caption was found" in capsys.readouterr().out
    assert [file.name for file in preview.iterdir()] == ["timeline.json"]
    assert json.loads((preview / "timeline.json").read_text(encoding="utf-8"))["captions"] == []


def test_an_old_output_survives_a_failed_run(rendered, tmp_path) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"yesterday's result")
    text = tmp_path / "text.mp4"
    text.write_text("a text")
    assert main(["upscale", str(text), str(out)]) == 2
    assert out.read_bytes() == b"yesterday's result"


def test_regions_may_be_tied_to_a_time() -> None:
    region = parse_region("0,0.75,1,0.25@5-20.5", "--region")
    assert (region.x, region.y, region.width, region.height) == (0, 0.75, 1, 0.25)
    assert (region.time_ranges[0].start_seconds, region.time_ranges[0].end_seconds) == (5, 20.5)
    assert parse_region("0,0,1,1", "--region").time_ranges == ()
    with pytest.raises(InvalidRequestError):
        parse_region("left,top,1,1", "--region")


def test_models_and_doctor_answer(capsys) -> None:
    assert main(["models"]) == 0
    assert "lanczos" in capsys.readouterr().out
    assert main(["doctor"]) == 0
    assert "CPUExecutionProvider" in capsys.readouterr().out


def test_doctor_fails_where_cuda_is_asked_for_and_missing(capsys) -> None:
    from gpu_worker.inference.session import Device, available_devices

    if Device.CUDA in available_devices():
        pytest.skip("this machine may have CUDA")
    assert main(["doctor", "--device", "cuda"]) == 1
    assert "cuda" in capsys.readouterr().err


def test_a_terminated_run_leaves_no_files(rendered, tmp_path) -> None:
    path = rendered(width=640, height=360, frames=240, shots=())
    out = tmp_path / "out.mp4"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}"}
    with subprocess.Popen(
        [sys.executable, "-m", "gpu_worker", "upscale", str(path), str(out)], env=environment, stderr=subprocess.PIPE
    ) as worker:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".smart-erase-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=60)
    assert worker.returncode == 128 + signal.SIGTERM
    assert sorted(file.name for file in tmp_path.iterdir()) == ["source.mp4"]
