"""One job from upload to download, over HTTP, every step of it in a container; and one that is cancelled."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from local.client import ApiClient
from local.containers.service import ContainerService, Parts
from tests.e2e.clips import draw_clip, video_facts

FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


@pytest.fixture
def api(service: ContainerService) -> ApiClient:
    return ApiClient(service.api_url, service.access_key)


def wait(api: ApiClient, job_id: str, seconds: float = 240) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job: dict[str, Any] = api.call("GET", f"/v1/jobs/{job_id}")
        if job["status"] in FINAL:
            return job
        time.sleep(0.5)
    raise TimeoutError(f"after {seconds:.0f} s the job is {job['status']} in {job['stage']}")


def batch_containers(parts: Parts) -> list[str]:
    return parts.engine.containers("name=batch-")


def test_a_job_runs_from_upload_to_download(
    api: ApiClient, parts: Parts, tmp_path: Path, times: list[tuple[str, float]]
) -> None:
    clip = draw_clip(tmp_path / "clip.mp4", width=480, height=360, seconds=2, caption="Hello there")
    started = time.monotonic()
    upload_id = api.upload(clip)
    job = api.call("POST", "/v1/jobs", {"source": {"upload_id": upload_id}, "erase": {}, "upscale": {}})
    times.append(("upload and submission, functions cold", time.monotonic() - started))
    job = wait(api, job["job_id"])
    times.append(("the same job until it has succeeded", time.monotonic() - started))
    assert job["status"] == "SUCCEEDED", job["error"]
    video = tmp_path / "result.mp4"
    with urllib.request.urlopen(job["result"]["links"]["video"], timeout=30) as answer:
        video.write_bytes(answer.read())
    assert video_facts(video) == (960, 720, video_facts(clip)[2])
    assert batch_containers(parts) == []


def test_a_cancelled_job_leaves_no_container(api: ApiClient, parts: Parts, tmp_path: Path) -> None:
    clip = draw_clip(tmp_path / "long.mp4", width=640, height=360, seconds=120, rate=25)
    upload_id = api.upload(clip)
    job_id = api.call("POST", "/v1/jobs", {"source": {"upload_id": upload_id}, "upscale": {}})["job_id"]
    deadline = time.monotonic() + 120
    while not batch_containers(parts):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert api.call("DELETE", f"/v1/jobs/{job_id}")["status"] == "CANCELLED"
    deadline = time.monotonic() + 60
    while batch_containers(parts):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert wait(api, job_id)["status"] == "CANCELLED"
