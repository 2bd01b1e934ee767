"""The copy of a result: from the request to the object in its owner's bucket, and to the links."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

import create_job
import get_job
import record_failure
import record_result
from adapters.output_buckets import OutputBuckets
from adapters.service import current_service
from domain.callback import ice_body
from domain.errors import OutputNotWritableError
from domain.job import JobRequest, JobStatus, ObjectRef, SourceFacts
from domain.open_buckets import BucketGrant, OpenBuckets
from domain.storage_keys import JobKeys

UPLOAD_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SOURCE = f"uploads/default/{UPLOAD_ID}/clip.mov"
FACTS = SourceFacts(size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p", width=640, height=360)
OUT = OpenBuckets(frozenset({"out"}))
RESULT = {"nothing_found": False, "width": 1280, "height": 720, "duration_seconds": 2.0, "frame_count": 50}


@pytest.fixture
def submit(deployment, call, recorded):
    """Ask for a job whose result goes to an address; returns the answer."""
    deployment.put(SOURCE)

    def ask(s3_uri, path="/v1/jobs", **more):
        wanted = {"upscale": {}} if path == "/v1/jobs" else {}
        body = {"source": {"upload_id": UPLOAD_ID}, "output": {"s3_uri": s3_uri}, **wanted, **more}
        return call(create_job, {**recorded("create_job"), "rawPath": path}, body)

    return ask


@pytest.fixture
def finish(deployment, recorded):
    """Publish a running job's result, and call RecordResult; ``times`` it is called."""

    def run(job_id, times=1, *, preview=False):
        jobs, keys = current_service().jobs, JobKeys(job_id)
        jobs.start(job_id, FACTS, deployment.clock())
        files = {"video": "video.mp4", "report": "report.json"}
        if preview:
            files = {"timeline": "timeline.json", "captions_srt": "captions.srt"}
        files = {name: keys.result(file) for name, file in files.items()}
        for name, key in files.items():
            deployment.put(key, f"the {name}".encode())
        manifest = keys.preview_manifest if preview else keys.result_manifest
        deployment.put_json(manifest, {"files": files, **RESULT})
        for _ in range(times):
            record_result.handler({**recorded("record_result"), "job_id": job_id}, deployment.context)

    return run


@pytest.fixture
def shown(call, recorded):
    def get(job_id):
        event = {**recorded("get_job"), "rawPath": f"/v1/jobs/{job_id}", "pathParameters": {"job_id": job_id}}
        return call(get_job, event).body

    return get


class Refusing:
    """The client of S3, but copies end in an error."""

    def __init__(self, client, status, operation="CopyObject"):
        self._client = client
        self._error = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        self._operation = operation

    def __getattr__(self, name):
        return getattr(self._client, name)

    def copy(self, *_arguments, **_options):
        raise ClientError(self._error, self._operation)


def test_the_video_is_copied_and_shown(deployment, submit, finish, shown):
    answer = submit("s3://out/done/{source}-{timestamp}.mp4")
    assert answer.status == 202
    job_id, key = answer.body["job_id"], f"done/clip-{int(deployment.clock().timestamp())}.mp4"

    finish(job_id)

    copy = deployment.s3.get_object(Bucket="out", Key=key)
    assert (copy["Body"].read(), copy["ContentType"]) == (b"the video", "video/mp4")
    job = shown(job_id)
    assert job["result"]["output_s3_uri"] == f"s3://out/{key}"
    assert set(job["result"]["links"]) == {"video", "report", "output"}
    assert f"/{key}?" in job["result"]["links"]["output"]
    assert "//out." in job["result"]["links"]["output"]
    assert job["request"]["output"] == {"s3_uri": "s3://out/done/{source}-{timestamp}.mp4"}


def test_of_a_preview_the_captions_are_copied(deployment, submit, finish):
    job_id = submit("s3://out/{source}.srt", "/v1/previews").body["job_id"]
    finish(job_id, preview=True)
    copy = deployment.s3.get_object(Bucket="out", Key="clip.srt")
    assert (copy["Body"].read(), copy["ContentType"]) == (b"the captions_srt", "application/x-subrip")


def test_what_is_copied_to_an_output_is_told_by_a_callback_of_the_closed_service(submit, finish):
    job_id = submit("s3://out/a.mp4").body["job_id"]
    finish(job_id)
    service = current_service()
    job = service.jobs.get(job_id)
    message = json.loads(ice_body(service.reader.show(job), job, service.media.uri))["MessageBody"]
    assert message["OutputFiles"] == ["s3://out/a.mp4"]
    assert "/a.mp4?" in message["OutputUrls"][0]
    assert "//out." in message["OutputUrls"][0]


class BreakingOff:
    """The job records, but the end of a job cannot be written."""

    def __init__(self, jobs):
        self._jobs = jobs

    def __getattr__(self, name):
        return getattr(self._jobs, name)

    def succeed(self, *_arguments):
        raise ConnectionError("the table does not answer")


def test_a_call_that_broke_off_is_made_good_by_the_next(deployment, submit, finish, recorded):
    job_id = submit("s3://out/{timestamp}.mp4").body["job_id"]
    submitted_at = int(deployment.clock().timestamp())
    finish(job_id, times=0)
    processing = current_service().processing
    with pytest.raises(ConnectionError):
        replace(processing, jobs=BreakingOff(processing.jobs)).record_result(job_id)
    deployment.clock.advance(seconds=90)

    record_result.handler({**recorded("record_result"), "job_id": job_id}, deployment.context)

    (copy,) = deployment.s3.list_objects_v2(Bucket="out")["Contents"]
    assert copy["Key"] == f"{submitted_at}.mp4"
    assert current_service().jobs.get(job_id).status is JobStatus.SUCCEEDED


def test_a_result_that_was_recorded_is_not_copied_again(deployment, submit, finish, recorded):
    job_id = submit("s3://out/a.mp4").body["job_id"]
    finish(job_id)
    deployment.s3.put_object(Bucket="out", Key="a.mp4", Body=b"its owner's own")
    record_result.handler({**recorded("record_result"), "job_id": job_id}, deployment.context)
    assert deployment.s3.get_object(Bucket="out", Key="a.mp4")["Body"].read() == b"its owner's own"


def test_a_cancelled_job_is_not_copied(deployment, submit, finish):
    job_id = submit("s3://out/a.mp4").body["job_id"]
    jobs = current_service().jobs
    jobs.start(job_id, FACTS, deployment.clock())
    jobs.cancel(job_id, deployment.clock())
    with pytest.raises(Exception, match="CANCELLED"):
        finish(job_id)
    assert deployment.s3.list_objects_v2(Bucket="out")["KeyCount"] == 0


def test_a_copy_that_s3_refuses_fails_the_job(deployment, submit, finish, recorded, shown):
    job_id = submit("s3://out/a.mp4").body["job_id"]
    deployment.s3.delete_bucket(Bucket="out")

    with pytest.raises(OutputNotWritableError) as refusal:
        finish(job_id)

    assert current_service().jobs.get(job_id).status is JobStatus.RUNNING
    cause = json.dumps({"errorMessage": str(refusal.value)})
    failure = {"Error": type(refusal.value).__name__, "Cause": cause}
    record_failure.handler({**recorded("record_failure"), "job_id": job_id, "failure": failure}, deployment.context)
    job = shown(job_id)
    assert (job["status"], job["error"]["code"]) == ("FAILED", "OutputNotWritable")
    assert job["error"]["message"] == "S3 refused to write s3://out/a.mp4: NoSuchBucket"
    assert job["result"] is None


@pytest.mark.parametrize(
    ("status", "operation", "expected"),
    [
        (403, "CopyObject", OutputNotWritableError),
        (403, "CreateMultipartUpload", OutputNotWritableError),
        (503, "CopyObject", ClientError),
        (404, "HeadObject", ClientError),
    ],
)
def test_only_a_refusal_to_write_is_the_output_s_fault(deployment, status, operation, expected):
    client = Refusing(deployment.s3, status, operation)
    with pytest.raises(expected):
        OutputBuckets(client, deployment.bucket, OUT).copy("a.mp4", ObjectRef(bucket="out", key="a.mp4"))


def test_a_large_file_is_copied_in_parts(deployment):
    content = bytes(range(256)) * (11 << 12)
    deployment.put("results/1/video.mp4", content)
    outputs = OutputBuckets(deployment.s3, deployment.bucket, OUT, part_bytes=5 << 20)

    outputs.copy("results/1/video.mp4", ObjectRef(bucket="out", key="a.mp4"))

    copy = deployment.s3.get_object(Bucket="out", Key="a.mp4")
    assert copy["ETag"].endswith('-3"')
    assert (copy["Body"].read() == content, copy["ContentType"]) == (True, "video/mp4")


@pytest.mark.parametrize(
    ("s3_uri", "words"),
    [
        ("s3://somebody-elses/a.mp4", "somebody-elses"),
        ("s3://MEDIA/results/a.mp4", "not copied"),
        ("s3://out/../a.mp4", "part"),
        ("s3://out//a.mp4", "slash"),
        ("s3://out/{name}.mp4", "{name}"),
        ("s3://out/" + "x" * 1025, "1024 bytes"),
    ],
)
def test_an_output_that_may_not_be_written_is_refused_before_anything_starts(deployment, submit, s3_uri, words):
    # Not even where the operator has listed the service's own bucket.
    deployment.serve(output_buckets=frozenset({"out", deployment.bucket}))
    answer = submit(s3_uri.replace("MEDIA", deployment.bucket))
    assert (answer.status, answer.body["code"]) == (400, "InvalidRequest")
    assert answer.body["field"] == "output.s3_uri"
    assert words in answer.body["detail"]
    assert deployment.executions() == []


def test_a_bucket_with_grants_is_open_to_those_who_have_one_only(deployment, call, recorded):
    grants = tuple(map(BucketGrant.parse, ("acme:out/acme/", "other:out/other/", "acme:archive")))
    deployment.serve(source_buckets=frozenset({"archive"}), bucket_grants=grants)
    deployment.s3.create_bucket(Bucket="archive")
    deployment.s3.put_object(Bucket="archive", Key="a.mp4", Body=b"video")
    body = {
        "source": {"s3_uri": "s3://archive/a.mp4"},
        "output": {"s3_uri": "s3://out/acme/{source}.mp4"},
        "upscale": {},
    }
    acme, other = deployment.new_caller("acme"), deployment.new_caller("other")

    assert call(create_job, recorded("create_job"), body, caller=acme).status == 202
    refused = call(create_job, recorded("create_job"), body, caller=other).body
    assert (refused["code"], refused["field"]) == ("InvalidRequest", "source.s3_uri")
    assert "archive/" not in refused["allowed"]

    deployment.put("uploads/other/a.mp4")
    own = {**body, "source": {"s3_uri": f"s3://{deployment.bucket}/uploads/other/a.mp4"}}
    refused = call(create_job, recorded("create_job"), own, caller=other).body
    assert (refused["code"], refused["field"], refused["allowed"]) == (
        "InvalidRequest",
        "output.s3_uri",
        "s3://out/other/",
    )
    own["output"] = {"s3_uri": "s3://out/other/{source}.mp4"}
    assert call(create_job, recorded("create_job"), own, caller=other).status == 202


def test_an_address_without_a_key_is_refused(submit):
    answer = submit("s3://out/")
    assert (answer.status, answer.body["code"]) == (400, "InvalidRequest")


def test_a_result_never_replaces_its_source(deployment, call, recorded):
    deployment.serve(source_buckets=frozenset({"out"}))
    deployment.s3.put_object(Bucket="out", Key="a.mp4", Body=b"video")
    body = {"source": {"s3_uri": "s3://out/a.mp4"}, "output": {"s3_uri": "s3://out/{source}.mp4"}, "upscale": {}}
    answer = call(create_job, recorded("create_job"), body)
    assert (answer.status, answer.body["code"]) == (400, "InvalidRequest")
    assert "source" in answer.body["detail"]
    assert JobRequest.model_validate(body).output_name == "video"
