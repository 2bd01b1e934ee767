"""One job from its upload to its links, over HTTP, with the real worker: captions off and twice the size."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from local import demo_clip
from local.client import download
from tests.e2e.clips import audio_packets, video_facts
from tests.e2e.conftest import LINK_SECONDS, RunningService


@dataclass(frozen=True)
class Finished:
    source: Path
    job: dict[str, Any]
    files: dict[str, Path]


def status_of(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture(scope="module")
def finished(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("result")
    source = folder / "demo.mp4"
    demo_clip.draw(source)
    job = service.process(source, erase={"captions": {}}, upscale={"factor": 2})
    files = {}
    if job["status"] == "SUCCEEDED":
        for name, url in service.api.call("GET", f"/v1/jobs/{job['job_id']}")["result"]["links"].items():
            files[name] = folder / name
            download(url, files[name])
    return Finished(source, job, files)


def test_the_job_succeeds_and_says_what_came_out(finished: Finished) -> None:
    assert finished.job["status"] == "SUCCEEDED", finished.job.get("error")
    assert finished.job["progress_percent"] == 100
    facts = finished.job["result"]["facts"]
    assert (facts["width"], facts["height"], facts["nothing_found"]) == (1280, 720, False)
    captions = {"captions_srt", "captions_vtt", "captions_json"}
    assert set(finished.files) == {"video", "before_after", "report"} | captions


def test_the_video_has_twice_the_size_the_same_frames_and_the_same_sound(finished: Finished) -> None:
    _, _, source_times = video_facts(finished.source)
    width, height, times = video_facts(finished.files["video"])
    assert (width, height) == (2 * demo_clip.WIDTH, 2 * demo_clip.HEIGHT)
    assert times == source_times
    assert audio_packets(finished.files["video"]) == audio_packets(finished.source)


def test_the_captions_are_written_down_with_their_times(finished: Finished) -> None:
    captions = finished.files["captions_srt"].read_text(encoding="utf-8")
    for caption in demo_clip.CAPTIONS:
        assert caption.text in captions
    assert "00:00:00,500 --> 00:00:02,250" in captions
    assert "00:00:00.500 --> 00:00:02.250" in finished.files["captions_vtt"].read_text(encoding="utf-8")
    assert json.loads(finished.files["captions_json"].read_text(encoding="utf-8"))


def test_the_picture_and_the_report_can_be_opened(finished: Finished) -> None:
    with Image.open(finished.files["before_after"]) as picture:
        assert picture.width >= demo_clip.WIDTH
    report = json.loads(finished.files["report"].read_text(encoding="utf-8"))
    assert [part["stage"] for part in report["stages"]] == ["detect", "erase", "upscale", "assemble"]


def test_a_link_opens_only_as_it_was_signed(service: RunningService, finished: Finished) -> None:
    path = f"/v1/jobs/{finished.job['job_id']}"
    link = service.api.call("GET", path)["result"]["links"]["video"]
    other = service.api.call("GET", path)["result"]["links"]["report"]
    assert status_of(link) == 200
    assert status_of(link, Range="bytes=10-19") == 206
    end = "0" if link[-1] != "0" else "1"
    assert status_of(link[:-1] + end) == 403
    assert status_of(link.replace("/video.mp4?", "/report.json?")) == 403
    lifetime = f"X-Amz-Expires={LINK_SECONDS}"
    assert lifetime in link
    assert status_of(link.replace(lifetime, "X-Amz-Expires=3000")) == 403
    assert status_of(link.partition("?")[0]) == 403
    assert status_of(other) == 200


def test_a_link_opens_until_it_expires(service: RunningService, finished: Finished) -> None:
    key = f"results/{finished.job['job_id']}/report.json"

    def link(seconds: int) -> str:
        wanted = {"Bucket": service.facts["bucket"], "Key": key}
        url: str = service.aws("s3").generate_presigned_url("get_object", wanted, ExpiresIn=seconds)
        return url

    assert status_of(link(LINK_SECONDS)) == 200
    short = link(1)
    time.sleep(2.5)  # signing dates are whole seconds
    assert status_of(short) == 403


def test_the_job_is_in_the_list(service: RunningService, finished: Finished) -> None:
    listed = [job["job_id"] for job in service.api.call("GET", "/v1/jobs")["jobs"]]
    assert finished.job["job_id"] in listed


def test_the_description_of_the_api_is_served(service: RunningService) -> None:
    document = service.api.call("GET", "/v1/openapi.json")
    assert {"/v1/uploads", "/v1/jobs", "/v1/jobs/{job_id}"} <= set(document["paths"])
