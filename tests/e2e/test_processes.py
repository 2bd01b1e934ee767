"""What runs, and what is left: nothing after a cancelled job, nothing after the service, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import (
    REPOSITORY,
    RunningService,
    descendants,
    end,
    processes_with,
    service_of,
    start_service,
    wait_until,
)


def test_a_cancelled_job_leaves_no_worker(service: RunningService, long_clip: Path) -> None:
    upload_id = service.api.upload(long_clip)
    job_id = service.api.call("POST", "/v1/jobs", {"source": {"upload_id": upload_id}, "upscale": {}})["job_id"]
    assert wait_until(lambda: processes_with(job_id))
    assert service.api.call("DELETE", f"/v1/jobs/{job_id}")["status"] == "CANCELLED"
    assert wait_until(lambda: not processes_with(job_id))
    assert service.api.call("GET", f"/v1/jobs/{job_id}")["status"] == "CANCELLED"
    # Asked for once more, as a client does that has not seen the answer: it is what it was.
    assert service.api.call("DELETE", f"/v1/jobs/{job_id}")["status"] == "CANCELLED"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_service_leaves_no_process(tmp_path: Path, long_clip: Path, number: signal.Signals) -> None:
    process = start_service(tmp_path / "data")
    try:
        service = service_of(process, tmp_path / "data")
        upload_id = service.api.upload(long_clip)
        job_id = service.api.call("POST", "/v1/jobs", {"source": {"upload_id": upload_id}, "upscale": {}})["job_id"]
        assert wait_until(lambda: processes_with(job_id))
        started = descendants(process.pid)
        assert len(started) > 3
        os.kill(process.pid, number)
        process.communicate(timeout=120)
        assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    finally:
        end(process)


def test_a_second_start_says_who_holds_the_port(service: RunningService, tmp_path: Path) -> None:
    port = service.api_url.rsplit(":", 1)[1]
    second = start_service(tmp_path / "data", "--port", port)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 2
    assert said.count("\n") == 1
    assert f"port {port} is held by process {service.pid}" in said


def test_a_second_start_says_who_uses_the_folder(service: RunningService) -> None:
    second = start_service(service.data)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 2
    assert said.count("\n") == 1
    assert f"is in use by process {service.pid}" in said


def test_an_unknown_parameter_of_the_template_is_refused(tmp_path: Path) -> None:
    second = start_service(tmp_path / "data", "--parameter", "Colour=red")
    _, said = second.communicate(timeout=120)
    assert (second.returncode, said) == (2, "the template has no parameter Colour\n")


def test_a_sam_that_is_not_there_is_told(tmp_path: Path) -> None:
    second = start_service(tmp_path / "data", "--sam", str(tmp_path / "sam"))
    _, said = second.communicate(timeout=20)
    assert second.returncode == 2
    assert said == f"--sam: there is no program {tmp_path / 'sam'}; make sam-local installs it\n"


def test_run_says_in_one_line_why_a_job_failed(tmp_path: Path) -> None:
    bad = tmp_path / "text.mp4"
    bad.write_text("not a video")
    done = subprocess.run(
        [sys.executable, "-m", "local", "run", "--video", str(bad), "--out", str(tmp_path / "out")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("UnreadableVideo: ")
    assert "Traceback" not in done.stderr + done.stdout
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--video", "missing.mp4"], "there is no file missing.mp4"),
        (["--erase", "logos"], "--erase knows captions and icons"),
        (["--erase", "captions,"], "--erase knows captions and icons"),
        (["--erase", "captions", "--icon-kinds", "tv"], "--icon-kinds belong to --erase icons"),
        (["--erase", "icons", "--region", "0,0,1,0.5"], "--region belongs to --erase captions"),
        (["--erase", "icons", "--icon-region", "0,0"], "--icon-region takes X,Y,WIDTH,HEIGHT"),
        (["--erase", "icons", "--upscale-quality", "fast"], "--upscale-quality belong to --upscale 2"),
        (["--erase", "captions", "--region", "0,0,1"], "--region takes X,Y,WIDTH,HEIGHT"),
        (["--upscale", "two"], "--upscale takes a whole number"),
        (["--upscale", "2", "--quality", "premium"], "--quality belongs to --erase"),
    ],
)
def test_run_refuses_bad_arguments_before_it_starts_anything(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local", "run", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
