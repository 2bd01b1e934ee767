"""POST /v1/previews: a job that stops after looking, and is not billed."""

from __future__ import annotations

import json

import pytest

import create_job
import get_job
import record_result
from domain.job import JobRequest, JobStatus, SourceFacts, Stage
from domain.progress import stages_of
from domain.storage_keys import JobKeys
from domain.usage import UsageRecord

UPLOAD_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
FACTS = SourceFacts(size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p", width=640, height=360)


@pytest.fixture
def preview(deployment, call, recorded):
    def ask(body, **headers):
        deployment.put(f"uploads/default/{UPLOAD_ID}/clip.mp4")
        event = recorded("create_job")
        event["requestContext"]["http"]["path"] = event["rawPath"] = "/v1/previews"
        return call(create_job, event, {"source": {"upload_id": UPLOAD_ID}, **body}, **headers)

    return ask


def test_a_preview_is_a_job_that_erases_nothing(deployment, preview):
    answer = preview({"name": "look first"})
    assert answer.status == 202
    request = answer.body["request"]
    assert (request["preview"], request["upscale"], request["name"]) == (True, None, "look first")
    assert request["erase"]["captions"]["regions"] == []
    assert len(deployment.executions()) == 1
    assert stages_of(JobRequest.model_validate(request)) == (Stage.DETECT,)


def test_its_links_are_pictures_timeline_and_texts_and_it_is_not_billed(deployment, call, recorded, preview):
    job_id = preview({}).body["job_id"]
    jobs = deployment.serve().jobs
    jobs.start(job_id, FACTS, deployment.clock())
    keys = JobKeys(job_id)
    names = {"timeline": "timeline.json", "picture_00000": "caption-00000.png", "captions_srt": "captions.srt"}
    files = {name: keys.result(file) for name, file in names.items()}
    facts = {"nothing_found": False, "width": 640, "height": 360, "duration_seconds": 2.0, "frame_count": 50}
    deployment.put_json(keys.preview_manifest, {"files": files, **facts})

    record_result.handler({**recorded("record_result"), "job_id": job_id}, deployment.context)

    event = {**recorded("get_job"), "rawPath": f"/v1/jobs/{job_id}", "pathParameters": {"job_id": job_id}}
    shown = call(get_job, event).body
    assert shown["status"] == JobStatus.SUCCEEDED
    assert set(shown["result"]["links"]) == set(files)
    (record,) = deployment.serve()._tenants.query("default", "USAGE#", UsageRecord)
    assert (record.function, record.output_seconds, record.billable_seconds) == ("preview", 2.0, 0.0)


def test_a_preview_that_left_nothing_is_a_crash_not_a_success(deployment, recorded, preview):
    job_id = preview({}).body["job_id"]
    deployment.serve().jobs.start(job_id, FACTS, deployment.clock())
    with pytest.raises(Exception, match=r"there is no jobs/.*/preview\.json"):
        record_result.handler({**recorded("record_result"), "job_id": job_id}, deployment.context)


def test_a_preview_takes_a_template_s_regions_and_an_idempotency_key(deployment, preview):
    from domain.template import CaptionTemplate

    top = {"x": 0.0, "y": 0.0, "width": 1.0, "height": 0.2, "time_ranges": []}
    draft = CaptionTemplate.model_validate(
        {"kind": "caption", "name": "A", "settings": {"captions": {"regions": [top]}}}
    )
    template_id = deployment.serve().templates.create(draft, "default").template_id
    first, again = (preview({"template_id": template_id}, idempotency_key="k").body for _ in range(2))
    assert first["job_id"] == again["job_id"]
    assert first["request"]["erase"]["captions"]["regions"] == [top]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"upscale": {}}, "upscale"),
        ({"captions": {"regions": [{"x": 0.0, "y": 0.0, "width": 2.0, "height": 1.0}]}}, "captions.regions.0.width"),
        ({"user_data": "x" * 1025}, "user_data"),
    ],
)
def test_a_preview_against_the_rules_names_its_field(preview, body, field):
    answer = preview(body)
    assert (answer.status, answer.body["field"]) == (400, field)


def test_a_job_that_is_a_preview_leaves_upscale_out(deployment, call, recorded):
    body = {**json.loads(recorded("create_job")["body"]), "preview": True}
    answer = call(create_job, recorded("create_job"), body)
    assert (answer.status, answer.body["code"]) == (400, "InvalidRequest")
    assert "upscale" in answer.body["detail"]
