"""Every bad input ends in one typed error, in the answer or on the job, and leaves nothing running."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.client import ApiError
from tests.e2e.clips import draw_clip, draw_sound
from tests.e2e.conftest import RunningService, processes_with

ERASE: dict[str, Any] = {"captions": {}}
UPSCALE: dict[str, Any] = {"factor": 2}
SOURCE = {"upload_id": str(uuid.uuid4())}


def text_file(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("This is not a video.")
    return path


def truncated(folder: Path) -> Path:
    whole = draw_clip(folder / "whole.mp4", faststart=False).read_bytes()
    path = folder / "truncated.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    return path


@pytest.mark.parametrize(
    ("make", "wanted", "code"),
    [
        (text_file, {"erase": ERASE}, "UnreadableVideo"),
        (truncated, {"erase": ERASE}, "UnreadableVideo"),
        (lambda folder: draw_sound(folder / "sound.mp4"), {"erase": ERASE}, "NoVideoStream"),
        (lambda folder: draw_clip(folder / "clip.mkv"), {"erase": ERASE}, "UnsupportedContainer"),
        (lambda folder: draw_clip(folder / "small.mp4"), {"upscale": UPSCALE}, "UnsupportedResolution"),
        (
            lambda folder: draw_clip(folder / "large.mp4", width=1924, height=360, seconds=0.2),
            {"upscale": UPSCALE},
            "UnsupportedResolution",
        ),
    ],
)
def test_a_bad_file_fails_its_job(
    service: RunningService, tmp_path: Path, make: Callable[[Path], Path], wanted: dict[str, Any], code: str
) -> None:
    job = service.process(make(tmp_path), **wanted)
    assert (job["status"], job["error"]["code"]) == ("FAILED", code)
    assert "\n" not in job["error"]["message"]
    assert "Traceback" not in job["error"]["message"]
    assert processes_with(job["job_id"]) == []


def region(x: float, y: float, width: float, height: float) -> dict[str, float]:
    return {"x": x, "y": y, "width": width, "height": height}


def with_regions(*regions: dict[str, float]) -> dict[str, Any]:
    return {"source": SOURCE, "erase": {"captions": {"regions": list(regions)}}}


def with_url(url: str) -> dict[str, Any]:
    return {"source": {"url": url}, "upscale": UPSCALE}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (with_regions(region(0.5, 0.5, 0.6, 0.2)), 400, "InvalidRequest"),
        (with_regions(region(-0.1, 0, 0.5, 0.5)), 400, "InvalidRequest"),
        (with_regions(region(0, 0, 0, 0.5)), 400, "InvalidRequest"),
        (with_regions(*[region(0, 0, 1, 0.1)] * 3), 400, "InvalidRequest"),
        ({"source": SOURCE, "upscale": {"bitrate_mbps": 0}}, 400, "InvalidRequest"),
        ({"source": SOURCE, "upscale": {"bitrate_mbps": 101}}, 400, "InvalidRequest"),
        ({"source": SOURCE, "upscale": {"factor": 3}}, 400, "InvalidRequest"),
        ({"source": SOURCE, "upscale": UPSCALE, "colour": "red"}, 400, "InvalidRequest"),
        ({"source": SOURCE}, 400, "InvalidRequest"),
        ({"upscale": UPSCALE}, 400, "InvalidRequest"),
        ([], 400, "InvalidRequest"),
        ({"source": SOURCE, "upscale": UPSCALE}, 404, "UploadNotFound"),
        (with_url("http://example.com/film.mp4"), 400, "InvalidSourceUrl"),
        (with_url("https://example.com/影片.mp4"), 400, "InvalidSourceUrl"),
        (with_url("https://user:word@example.com/film.mp4"), 400, "InvalidSourceUrl"),
        (with_url("https://127.0.0.1/film.mp4"), 400, "BlockedAddress"),
        (with_url("https://localhost/film.mp4"), 400, "BlockedAddress"),
        (with_url("https://10.1.2.3/film.mp4"), 400, "BlockedAddress"),
        (with_url("https://169.254.169.254/latest/meta-data/"), 400, "BlockedAddress"),
        (with_url("https://[::1]/film.mp4"), 400, "BlockedAddress"),
    ],
)
def test_a_bad_request_is_refused_at_once(service: RunningService, body: Any, status: int, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        service.api.call("POST", "/v1/jobs", body)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert "Traceback" not in refused.value.message


def test_what_is_not_json_is_refused(service: RunningService) -> None:
    with pytest.raises(ApiError) as refused:
        service.api.call("POST", "/v1/jobs", headers={"Content-Length": "0"})
    assert refused.value.status == 400


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_job_is_not_found(service: RunningService, method: str) -> None:
    with pytest.raises(ApiError) as refused:
        service.api.call(method, f"/v1/jobs/{uuid.uuid4()}")
    assert (refused.value.status, refused.value.code) == (404, "JobNotFound")


def test_an_unknown_route_is_the_gateway_s_404(service: RunningService) -> None:
    with pytest.raises(ApiError) as refused:
        service.api.call("GET", "/v2/nothing")
    assert (refused.value.status, refused.value.message) == (404, "Not Found")


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/nothing/at/all"), ("PATCH", "/v1/jobs")])
def test_an_unknown_route_of_the_api_is_a_problem(service: RunningService, method: str, path: str) -> None:
    with pytest.raises(ApiError) as refused:
        service.api.call(method, path)
    assert (refused.value.status, refused.value.code) == (404, "RouteNotFound")


def test_an_idempotency_key_answers_the_same_job_and_refuses_another_body(
    service: RunningService, tmp_path: Path
) -> None:
    upload_id = service.api.upload(text_file(tmp_path))
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"source": {"upload_id": upload_id}, "erase": ERASE}
    first = service.api.call("POST", "/v1/jobs", body, headers)
    again = service.api.call("POST", "/v1/jobs", body, headers)
    assert again["job_id"] == first["job_id"]
    with pytest.raises(ApiError) as refused:
        service.api.call("POST", "/v1/jobs", {**body, "name": "another"}, headers)
    assert (refused.value.status, refused.value.code) == (409, "IdempotencyConflict")
    assert service.wait(first["job_id"])["error"]["code"] == "UnreadableVideo"
    with pytest.raises(ApiError) as refused:
        service.api.call("DELETE", f"/v1/jobs/{first['job_id']}")
    assert (refused.value.status, refused.value.code) == (409, "JobNotCancellable")
