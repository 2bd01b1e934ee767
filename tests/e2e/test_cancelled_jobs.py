"""A job that is cancelled in any of its stages: its work ends, and nothing that it made stays."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.clips import draw_clip
from tests.e2e.conftest import RunningService, processes_with, serving, wait_until


@dataclass(frozen=True)
class Halting:
    """A service whose worker halts in the stage that is written into a file, when all but the stage's mark is there."""

    service: RunningService
    wish: Path
    clip: Path

    def keys_of(self, job_id: str) -> list[str]:
        listed = self.service.aws("s3").list_objects_v2(Bucket=self.service.facts["bucket"])
        return [item["Key"] for item in listed["Contents"] if f"/{job_id}/" in item["Key"]]


@pytest.fixture(scope="module")
def halting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Halting]:
    folder = tmp_path_factory.mktemp("halting")
    clip = draw_clip(folder / "clip.mp4", width=480, height=360, seconds=1, caption="Hello there")
    with serving(folder / "service", "tests.e2e.halting_worker", str(folder / "wish")) as service:
        yield Halting(service, folder / "wish", clip)


#: What a job has written when its worker halts, as far as the stages of the test go.
LEFT = {
    "detect": "progress/detect-00000.json",
    "erase": "segments/00000/patches",
    "upscale": "segments/00000/upscaled.mp4",
    "assemble": "report.json",
}


@pytest.mark.parametrize("stage", LEFT)
def test_a_job_that_is_cancelled_in_a_stage_leaves_nothing(halting: Halting, stage: str) -> None:
    halting.wish.write_text(stage)
    service = halting.service
    upload_id = service.api.upload(halting.clip)
    wanted = {"source": {"upload_id": upload_id}, "erase": {}, "upscale": {"quality": "fast"}}
    job_id = service.api.call("POST", "/v1/jobs", wanted)["job_id"]
    assert wait_until(lambda: any(LEFT[stage] in key for key in halting.keys_of(job_id)))
    assert processes_with(job_id)

    cancelled = service.api.call("DELETE", f"/v1/jobs/{job_id}")

    assert (cancelled["status"], cancelled["stage"]) == ("CANCELLED", stage)
    assert wait_until(lambda: not processes_with(job_id))
    # The end of the execution is told a moment later, and what was written until then goes with it.
    assert wait_until(lambda: not halting.keys_of(job_id))
    assert service.api.call("GET", f"/v1/jobs/{job_id}")["status"] == "CANCELLED"
    assert not service.aws("s3").list_multipart_uploads(Bucket=service.facts["bucket"]).get("Uploads")
