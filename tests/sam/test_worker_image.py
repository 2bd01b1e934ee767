"""The worker's image: what it holds, as whom it runs, and that the list for a GPU can be installed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from local.containers.engine import EngineError
from local.containers.service import Parts

ROOT = Path(__file__).parents[2]
#: The image for a CPU is 0.75 GB; what makes it twice that is not meant to be in it.
MOST_BYTES = 1.5e9
#: glibc 2.36 is that of the image's Debian: wheels made for it or for an older one can be installed there.
GLIBC_MINOR = 36


@pytest.fixture(scope="module")
def facts(parts: Parts) -> dict[str, Any]:
    (found,) = json.loads(parts.engine.call("image", "inspect", parts.worker_image))
    return found


def run(parts: Parts, *command: str) -> str:
    entry, *arguments = command
    return parts.engine.call("run", "--rm", "--entrypoint", entry, parts.worker_image, *arguments)


def test_its_size_and_its_layers_are_told(parts: Parts, facts: dict[str, Any], times: list[tuple[str, float]]) -> None:
    history = parts.engine.call("history", "--format", "{{.Size}}", parts.worker_image).split("\n")
    layers = [size for size in history if size != "0B"]
    times.append((f"(worker image: {facts['Size'] / 1e6:.0f} MB in layers of {', '.join(layers)})", 0.0))
    assert facts["Size"] < MOST_BYTES


def test_it_runs_as_nobody_special(parts: Parts, facts: dict[str, Any]) -> None:
    assert facts["Config"]["User"] == "worker"
    assert run(parts, "id", "--user") == "10001"


def test_its_doctor_is_content_and_is_its_health_check(parts: Parts, facts: dict[str, Any]) -> None:
    check = ["CMD", "python", "-m", "gpu_worker", "doctor"]
    assert facts["Config"]["Healthcheck"]["Test"] == check
    assert "networks run on: CPUExecutionProvider" in run(parts, *check[1:])


def test_it_holds_what_a_worker_needs_and_no_more(parts: Parts) -> None:
    found = run(parts, "sh", "-c", "ls gpu_worker functions; ls /etc/pip.conf 2>/dev/null || true").split()
    assert {"domain", "media"} <= set(found)
    assert not {"training", "Dockerfile", "adapters", "/etc/pip.conf"} & set(found)
    with pytest.raises(EngineError, match="No module named pip"):
        run(parts, "python", "-m", "pip", "--version")


def test_every_wheel_of_the_list_for_a_gpu_is_there(tmp_path: Path, times: list[tuple[str, float]]) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps"),
            *("--require-hashes", "--only-binary", ":all:", "--python-version", "3.11"),
            *(part for minor in range(17, GLIBC_MINOR + 1) for part in ("--platform", f"manylinux_2_{minor}_x86_64")),
            *("--platform", "manylinux2014_x86_64"),
            *("--target", str(tmp_path / "nowhere"), "--report", str(tmp_path / "report.json"), "--quiet"),
            *("--requirement", str(ROOT / "requirements" / "worker-gpu.txt")),
        ],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    times.append(("dry run of the list for a GPU", time.monotonic() - started))
    found = {item["metadata"]["name"] for item in json.loads((tmp_path / "report.json").read_text())["install"]}
    assert {"onnxruntime-gpu", "nvidia-cublas", "nvidia-cudnn-cu13"} <= found
