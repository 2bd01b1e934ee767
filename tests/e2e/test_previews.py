"""What an erase would remove, from the running service with the real worker: pictures, a timeline, texts."""

import json
import urllib.request
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.e2e.clips import draw_clip
from tests.e2e.conftest import RunningService, processes_with


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body


def test_a_preview_shows_the_caption_and_changes_nothing(service: RunningService, tmp_path: Path) -> None:
    clip = draw_clip(tmp_path / "clip.mp4", width=640, height=360, seconds=2, caption="look before you pay")
    upload_id = service.api.upload(clip)

    asked = service.api.call("POST", "/v1/previews", {"source": {"upload_id": upload_id}})
    job = service.wait(asked["job_id"])

    assert job["status"] == "SUCCEEDED", job["error"]
    links = job["result"]["links"]
    assert "video" not in links
    timeline = json.loads(fetched(links["timeline"]))
    assert [entry["text"].lower().replace(" ", "") for entry in timeline["captions"]] == ["lookbeforeyoupay"]
    assert Image.open(BytesIO(fetched(links["picture_00000"]))).size == (640, 360)
    assert b"look" in fetched(links["captions_srt"]).lower()
    assert job["result"]["facts"]["frame_count"] == 20
    assert processes_with(job["job_id"]) == []
