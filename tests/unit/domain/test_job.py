from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from domain.job import ALLOWED_TRANSITIONS, EraseSettings, Job, JobRequest, JobStatus, sources_of

UPLOAD = {"upload_id": "0f0e5c86-5c3b-4a64-9a0b-1d2f6c1f3a55"}


def test_a_final_status_is_left_by_no_transition():
    final = {status for status in JobStatus if status.is_final}
    assert final == {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED}
    assert all(not final & sources_of(target) for target in JobStatus)


def test_success_comes_only_from_running():
    assert sources_of(JobStatus.SUCCEEDED) == {JobStatus.RUNNING}


def test_every_status_can_be_reached():
    reached = set().union(*ALLOWED_TRANSITIONS.values()) | {JobStatus.QUEUED}
    assert reached == set(JobStatus)


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"source": {}}, ("source",)),
        ({"source": {**UPLOAD, "url": "https://example.com/a.mp4"}}, ("source",)),
        ({"source": {"upload_id": "not-a-uuid"}}, ("source", "upload_id")),
        ({"source": {"s3_uri": "https://bucket/key"}}, ("source", "s3_uri")),
        ({"upscale": {"factor": 3}}, ("upscale", "factor")),
        ({"upscale": {"bitrate_mbps": 0}}, ("upscale", "bitrate_mbps")),
        ({"upscale": {"bitrate_mbps": 101}}, ("upscale", "bitrate_mbps")),
        ({"erase": {"quality": "ultra"}}, ("erase", "quality")),
        ({"erase": {"captions": {"regions": [{"x": 0, "y": 0, "width": 1, "height": 0.1}] * 3}}}, ("erase",)),
        ({"colour": "red"}, ("colour",)),
        ({"upscale": None}, ()),
        ({"user_data": "é" * 513}, ()),
        ({"name": "n" * 101}, ("name",)),
    ],
)
def test_a_bad_request_is_refused_where_it_is_wrong(change, location):
    with pytest.raises(ValidationError) as refusal:
        JobRequest.model_validate({"source": UPLOAD, "upscale": {}} | change)
    assert refusal.value.errors()[0]["loc"][: len(location)] == location


@pytest.mark.parametrize("bitrate", [1, 100])
def test_the_ends_of_the_bitrate_range_are_taken(bitrate):
    request = JobRequest.model_validate({"source": UPLOAD, "upscale": {"bitrate_mbps": bitrate}})
    assert request.upscale is not None
    assert request.upscale.bitrate_mbps == bitrate


@pytest.mark.parametrize(
    ("erase", "captions", "icons"),
    [
        ({}, True, False),
        ({"icons": None}, True, False),
        ({"captions": {}}, True, False),
        ({"icons": {}}, False, True),
        ({"icons": {}, "captions": None}, False, True),
        ({"icons": {}, "captions": {}}, True, True),
    ],
)
def test_captions_are_removed_where_nothing_else_is_named(erase, captions, icons):
    settings = EraseSettings.model_validate(erase)
    assert (settings.captions is not None, settings.icons is not None) == (captions, icons)
    assert EraseSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("erase", [{}, {"icons": {"kinds": ["tv"]}}])
def test_a_job_survives_its_own_json(erase):
    request = JobRequest.model_validate({"source": UPLOAD, "erase": erase, "upscale": {}})
    job = Job(job_id="j", owner="default", request=request, created_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert Job.model_validate_json(job.model_dump_json()) == job
    assert job.request.upscale is not None
    assert job.request.upscale.bitrate_mbps == 10
