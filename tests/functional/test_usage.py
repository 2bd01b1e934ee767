"""Usage: one record for each ended job, its sums, its export."""

from __future__ import annotations

import csv
import io
import json
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import boto3
import pytest

import cancel_job
import create_job
import record_failure
import record_result
import report_usage
from domain.job import Job, JobError, JobRequest, JobStatus, ObjectRef, ResultFacts, SourceFacts
from domain.storage_keys import JobKeys
from domain.usage import Tier, UsageRecord, tier_of

JOB_ID = "7f3c2f0e-5b1d-4d0c-9a53-0d9a1c1e2f33"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def ended(deployment):
    """Let a job run to its end: the result's size and seconds, or an error."""
    deployment.clock.now = NOON

    def run(job_id, seconds=2.0, size=(1280, 720), error=None, owner="default", **functions):
        jobs = deployment.serve().jobs
        request = JobRequest.model_validate(
            {"source": {"url": "https://example.com/a.mp4"}, **(functions or {"erase": {}})}
        )
        ref = ObjectRef(bucket=deployment.bucket, key="inbox/default/a.mp4")
        now = deployment.clock()
        jobs.put_new(Job(job_id=job_id, owner=owner, request=request, created_at=now, source_object=ref))
        width, height = size
        facts = SourceFacts(
            size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p",
            width=width, height=height, duration_seconds=seconds,
        )  # fmt: skip
        jobs.start(job_id, facts, now)
        keys = JobKeys(job_id)
        result = ResultFacts(
            nothing_found=False, width=width, height=height, duration_seconds=seconds, frame_count=50,
            upscaler="lanczos" if "upscale" in functions else None,
        )  # fmt: skip
        files = {"video": keys.result("video.mp4"), "report": keys.result("report.json")}
        deployment.put_json(keys.result_manifest, {"files": files, **result.model_dump()})
        processing = deployment.serve().processing
        if error is None:
            processing.record_result(job_id)
        else:
            processing.record_failure(job_id, "States.Timeout", "")

    return run


def ask(call, recorded, **query):
    event = recorded("report_usage")
    del event["body"]
    event["requestContext"]["http"] |= {"method": "GET", "path": "/v1/usage"}
    event |= {"rawPath": "/v1/usage", "queryStringParameters": query, "rawQueryString": urllib.parse.urlencode(query)}
    return call(report_usage, event)


def records(deployment, owner="default"):
    return list(deployment.serve()._tenants.query(owner, "USAGE#", UsageRecord))


def test_a_job_that_cannot_be_started_has_its_end_like_every_other(deployment, call, recorded):
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url = sqs.create_queue(QueueName="ends")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="ends", EventPattern=json.dumps({"source": ["smart-erase"], "detail-type": ["Job Ended"]}))
    events.put_targets(Rule="ends", Targets=[{"Id": "ends", "Arn": arn}])
    deployment.serve(state_machine_arn=deployment.settings.state_machine_arn + "-gone")
    body = {"source": {"s3_uri": f"s3://{deployment.bucket}/inbox/default/a.mp4"}, "upscale": {}}
    deployment.put("inbox/default/a.mp4")

    assert call(create_job, recorded("create_job"), body).status == 500

    (record,) = records(deployment)
    assert (record.status, record.billable_seconds) == (JobStatus.FAILED, 0.0)
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    detail = json.loads(message["Body"])["detail"]
    assert (detail["job_id"], detail["status"]) == (record.job_id, "FAILED")
    assert detail["error_code"] == "InternalError"


def test_a_job_has_one_record_however_often_its_end_is_reported(deployment, recorded, ended):
    ended(JOB_ID, seconds=61.5, erase={"quality": "premium"}, upscale={})
    deployment.clock.advance(hours=3)
    for _ in range(3):
        record_result.handler(recorded("record_result"), deployment.context)
    record_failure.handler(recorded("record_failure_execution"), deployment.context)

    (record,) = records(deployment)
    assert record == UsageRecord(
        job_id=JOB_ID, ended_at=NOON, status="SUCCEEDED", function="erase_and_upscale", quality="premium",
        model="lanczos", input_seconds=61.5, output_seconds=61.5, width=1280, height=720, tier="hd",
        billable_seconds=61.5,
    )  # fmt: skip


def test_racing_reports_of_one_end_leave_one_record(deployment, ended):
    ended(JOB_ID)
    service = deployment.serve()
    job = service.jobs.get(JOB_ID)
    service._tenants.delete("default", f"USAGE#{NOON:%Y-%m-%dT%H:%M:%S.%fZ}#{JOB_ID}")
    with ThreadPoolExecutor(8) as racers:
        list(racers.map(lambda _: service._job_end.settle(job), range(16)))
    assert len(records(deployment)) == 1


def test_failed_and_cancelled_jobs_are_recorded_but_not_billed(deployment, call, recorded, ended):
    ended("failed", error=True)
    jobs = deployment.serve().jobs
    request = JobRequest.model_validate({"source": {"url": "https://example.com/a.mp4"}, "upscale": {}})
    jobs.put_new(Job(job_id=JOB_ID, owner="default", request=request, created_at=NOON))
    assert call(cancel_job, recorded("cancel_job")).status == 200
    assert call(cancel_job, recorded("cancel_job")).status == 200

    assert {(record.job_id, record.status, record.billable_seconds) for record in records(deployment)} == {
        ("failed", "FAILED", 0.0),
        (JOB_ID, "CANCELLED", 0.0),
    }


def test_an_object_in_the_inbox_that_cannot_be_read_has_its_record_too(deployment):
    deployment.put("inbox/default/clip.mp4")
    ref = ObjectRef(bucket=deployment.bucket, key="inbox/default/clip.mp4")
    for _ in range(2):
        deployment.serve().submission.submit_from_inbox(ref)
    (record,) = records(deployment)
    assert (record.status, record.function, record.billable_seconds) == ("FAILED", None, 0.0)


def test_usage_is_summed_by_bucket_function_quality_and_tier(deployment, call, recorded, ended):
    ended("a", seconds=10)
    ended("b", seconds=20)
    ended("c", seconds=5, error=True)
    ended("d", seconds=40, size=(3840, 2160), upscale={})
    deployment.clock.advance(hours=1)
    ended("e", seconds=80, erase={"quality": "premium"})
    deployment.clock.advance(days=1)
    ended("f", seconds=160)
    ended("theirs", seconds=320, owner="someone")

    query = {"start": "2026-11-20T00:00:00Z", "end": "2026-11-22T00:00:00Z"}
    hours = ask(call, recorded, **query, interval="hour").body
    rows = [
        (row["start"][:13], row["function"], row["quality"], row["tier"], row["jobs"], row["failed_jobs"],
         row["billable_seconds"])
        for row in hours["rows"]
    ]  # fmt: skip
    assert rows == [
        ("2026-11-20T12", "erase", "normal", "hd", 3, 1, 30.0),
        ("2026-11-20T12", "upscale", None, "4k", 1, 0, 40.0),
        ("2026-11-20T13", "erase", "premium", "hd", 1, 0, 80.0),
        ("2026-11-21T13", "erase", "normal", "hd", 1, 0, 160.0),
    ]
    assert hours["billable_seconds"] == 310.0

    days = ask(call, recorded, **query, interval="day").body["rows"]
    assert [(row["start"], row["quality"], row["jobs"]) for row in days if row["function"] == "erase"] == [
        ("2026-11-20T00:00:00Z", "normal", 3),
        ("2026-11-20T00:00:00Z", "premium", 1),
        ("2026-11-21T00:00:00Z", "normal", 1),
    ]


def test_the_end_of_a_span_is_exclusive(deployment, call, recorded, ended):
    ended("a", seconds=10)
    spans = [("2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z"), ("2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z")]
    sums = [ask(call, recorded, start=start, end=end, interval="hour").body["billable_seconds"] for start, end in spans]
    assert sums == [0.0, 10.0]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start": "2026-11-20T00:00:00Z", "end": "2026-11-20T00:00:00Z", "interval": "day"}, "end"),
        ({"start": "2026-11-20T00:00:00Z", "end": "2026-11-19T00:00:00Z", "interval": "day"}, "end"),
        ({"start": "2026-10-01T00:00:00Z", "end": "2026-11-02T00:00:00Z", "interval": "day"}, "end"),
        ({"start": "2026-08-01T00:00:00Z", "end": "2026-08-02T00:00:00Z", "interval": "day"}, "start"),
        ({"start": "9999-12-31T23:00:00-14:00", "end": "9999-12-31T23:30:00-14:00", "interval": "day"}, "start"),
        ({"start": "2026-11-20T00:00:00Z", "end": "2026-11-21T00:00:00Z", "interval": "week"}, "interval"),
        ({"start": "2026-11-20T00:00:00Z", "end": "2026-11-21T00:00:00Z"}, "interval"),
        ({"start": "yesterday", "end": "2026-11-21T00:00:00Z", "interval": "day"}, "start"),
    ],
)
def test_a_question_against_the_rules_names_its_field(deployment, call, recorded, query, field):
    deployment.clock.now = NOON
    answer = ask(call, recorded, **query)
    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "InvalidRequest", field)


def test_times_without_an_offset_are_utc(deployment, call, recorded, ended):
    ended("a", seconds=10)
    answer = ask(call, recorded, start="2026-11-20T12:00:00", end="2026-11-20T13:00:00", interval="hour")
    assert (answer.body["start"], answer.body["billable_seconds"]) == ("2026-11-20T12:00:00Z", 10.0)


def test_an_export_is_a_csv_behind_a_link_of_thirty_minutes(deployment, call, recorded, ended):
    ended("a", seconds=10)
    deployment.clock.advance(minutes=1)
    ended("b", seconds=5, error=True)
    answer = call(report_usage, recorded("report_usage"))

    assert (answer.status, answer.body["jobs"]) == (201, 2)
    url = urllib.parse.urlsplit(answer.body["url"])
    assert urllib.parse.parse_qs(url.query)["X-Amz-Expires"] == ["1800"]
    left = datetime.fromisoformat(answer.body["url_expires_at"]) - deployment.clock()
    assert left == timedelta(minutes=30)
    key = url.path[url.path.index("exports/") :]
    stored = deployment.s3.get_object(Bucket=deployment.bucket, Key=key)
    assert stored["ContentType"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(stored["Body"].read().decode())))
    assert [(row["job_id"], row["status"], row["tier"], row["billable_seconds"]) for row in rows] == [
        ("a", "SUCCEEDED", "hd", "10.0"),
        ("b", "FAILED", "hd", "0.0"),
    ]


def test_what_was_finished_since_a_moment_can_be_asked_for_a_quota(deployment, ended):
    ended("a", seconds=10)
    deployment.clock.advance(days=1)
    ended("b", seconds=20)
    usage = deployment.serve().usage
    assert usage.billable_seconds_since("default", NOON) == 30
    assert usage.billable_seconds_since("default", NOON + timedelta(seconds=1)) == 20
    assert usage.billable_seconds_since("someone", NOON) == 0


@pytest.mark.parametrize(
    ("width", "height", "tier"),
    [(640, 360, "sd"), (720, 576, "sd"), (1280, 720, "hd"), (1080, 1920, "full_hd"), (2560, 1440, "2k"),
     (3840, 2160, "4k"), (7680, 4320, "4k")],
)  # fmt: skip
def test_a_tier_is_told_by_the_short_side(width, height, tier):
    assert tier_of(width, height) is Tier(tier)


def test_a_job_that_never_ran_has_no_size(deployment):
    jobs = deployment.serve().jobs
    request = JobRequest.model_validate({"source": {"url": "https://example.com/a.mp4"}, "upscale": {}})
    jobs.put_new(Job(job_id="j", owner="default", request=request, created_at=deployment.clock()))
    jobs.fail("j", JobError(code="X", message="x"), deployment.clock())
    deployment.serve()._job_end.settle(jobs.get("j"))
    (record,) = records(deployment)
    assert (record.tier, record.width, record.input_seconds) == (None, None, None)
