"""Premium with a user's own network, through a whole job."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jobs import caption

from domain.detection import Box
from domain.errors import InvalidRequestError
from domain.job import EraseSettings, Quality
from gpu_worker.cli import main
from gpu_worker.fill.learned import learned_fill_of
from gpu_worker.stages.pipeline import run_all
from gpu_worker.stages.report import Report
from tests.unit.fill.test_learned import write_filler

BOX = Box(x0=16, y0=32, x1=80, y1=56)
#: There from the first frame to the last, over a picture that stands still: nothing is ever revealed.
ALWAYS = caption(0, 0, 12, BOX)


def _report(job) -> Report:
    run_all(job)
    return Report.model_validate_json(job.workspace.read(job.workspace.keys.result("report.json")))


@pytest.mark.parametrize(
    ("quality", "used"), [(Quality.PREMIUM, "own.onnx"), (Quality.NORMAL, learned_fill_of(Quality.NORMAL))]
)
def test_the_report_names_the_network_that_was_used(quality, used, rendered, run_job, tmp_path) -> None:
    path = rendered(frames=12, speed=0, shots=())
    network = write_filler(tmp_path / "own.onnx")
    job = run_job.job(path, erase=EraseSettings(quality=quality), captions=(ALWAYS,))
    report = _report(replace(job, fill_model=str(network)))
    assert report.erase is not None
    assert report.erase.fill_model == used
    assert report.erase.coverage == 0


def test_premium_uses_the_catalogue_s_network_if_there_is_one(rendered, run_job) -> None:
    path = rendered(frames=12, speed=0, shots=())
    report = _report(run_job.job(path, erase=EraseSettings(quality=Quality.PREMIUM), captions=(ALWAYS,)))
    assert report.erase is not None
    assert report.erase.fill_model == learned_fill_of(Quality.PREMIUM)


def test_a_network_that_is_none_is_a_bad_input(rendered, run_job, tmp_path) -> None:
    (tmp_path / "own.onnx").write_text("a text")
    job = run_job.job(rendered(), erase=EraseSettings(quality=Quality.PREMIUM), captions=(caption(0, 3, 9, BOX),))
    with pytest.raises(InvalidRequestError, match="no network"):
        run_all(replace(job, fill_model=str(tmp_path / "own.onnx")))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fill-model", "own.onnx"], "add --quality premium"),
        (["--quality", "premium", "--fill-model", "gone.onnx"], "there is no file gone.onnx"),
        (["--quality", "premium", "--fill-model", "best"], "no learned fill called best"),
    ],
)
def test_the_command_line_refuses_it_before_it_looks_for_captions(options, words, rendered, tmp_path, capsys) -> None:
    assert main(["erase", str(rendered(frames=6)), str(tmp_path / "out.mp4"), *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()
