"""Memory does not grow with the length of the video."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _peak_megabytes(source: Path, target: Path) -> float:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}"}
    worker = subprocess.Popen(
        [sys.executable, "-m", "gpu_worker", "upscale", str(source), str(target)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(worker.pid, 0)
    worker.returncode = os.waitstatus_to_exitcode(status)
    assert worker.returncode == 0
    return usage.ru_maxrss / 1024


@pytest.mark.slow
def test_six_times_the_frames_take_the_same_memory(rendered, tmp_path) -> None:
    # Far more frames than the encoder looks ahead; a leak of source frames alone would be 30 MB, of results 120.
    short = rendered(name="short.mp4", frames=100, width=320, height=180, shots=())
    long = rendered(name="long.mp4", frames=600, width=320, height=180, shots=())
    grown = _peak_megabytes(long, tmp_path / "b.mp4") - _peak_megabytes(short, tmp_path / "a.mp4")
    assert grown < 20
