"""A job whose every stage is killed twice, by SIGKILL, loses nothing."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from local.client import download
from tests.e2e.clips import decoded, draw_clip, video_facts
from tests.e2e.conftest import RunningService, serving


@pytest.mark.slow
def test_a_job_whose_stages_are_killed_twice_each_succeeds(service: RunningService, tmp_path: Path) -> None:
    clip = draw_clip(tmp_path / "clip.mp4", width=480, height=360, seconds=2, caption="Hello there")
    with serving(tmp_path / "service", "tests.e2e.killed_worker") as killing:
        job = killing.process(clip, erase={}, upscale={})
        assert job["status"] == "SUCCEEDED", job["error"]
        described = killing.aws("batch").describe_jobs(jobs=_batch_jobs(killing))["jobs"]
        codes = Counter(tuple(attempt["container"]["exitCode"] for attempt in each["attempts"]) for each in described)
        assert codes == {(137, 137, 0): 4}
        download(job["result"]["links"]["video"], tmp_path / "killed.mp4")
    # What came out is what comes out when nothing is killed.
    unharmed = service.process(clip, erase={}, upscale={})
    download(unharmed["result"]["links"]["video"], tmp_path / "unharmed.mp4")
    assert video_facts(tmp_path / "killed.mp4") == video_facts(tmp_path / "unharmed.mp4")
    # Not to the byte: with the rate held, x264 decides by when its threads are done.
    off = decoded(tmp_path / "killed.mp4").astype(int) - decoded(tmp_path / "unharmed.mp4")
    assert np.abs(off).mean() < 1


def _batch_jobs(service: RunningService) -> list[str]:
    batch = service.aws("batch")
    queue = batch.describe_job_queues()["jobQueues"][0]["jobQueueName"]
    return [job["jobId"] for job in batch.list_jobs(jobQueue=queue, jobStatus="SUCCEEDED")["jobSummaryList"]]
