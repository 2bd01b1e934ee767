"""What the storage takes: forms only as they were signed, files only in the size that they allow; and the inbox."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.client import ApiError, send_form
from tests.e2e.clips import draw_clip
from tests.e2e.conftest import RunningService, wait_until


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.bin"
    path.write_bytes(bytes(2000))
    return path


def refusal(url: str, fields: dict[str, str], file: Path) -> tuple[int, str]:
    with pytest.raises(ApiError) as refused:
        send_form(url, fields, file)
    return refused.value.status, refused.value.code


def form_for(service: RunningService, largest: int, seconds: int = 60) -> dict[str, Any]:
    return service.aws("s3").generate_presigned_post(
        service.facts["bucket"],
        "uploads/test/file",
        Conditions=[["content-length-range", 10, largest]],
        ExpiresIn=seconds,
    )


def test_the_form_of_the_api_takes_up_to_one_gigabyte(service: RunningService) -> None:
    form = service.api.call("POST", "/v1/uploads", {})
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    assert ["content-length-range", 1, 1024**3] in policy["conditions"]


def test_a_file_that_is_too_large_is_refused_and_not_kept(service: RunningService, small_file: Path) -> None:
    form = form_for(service, largest=1999)
    assert refusal(form["url"], form["fields"], small_file) == (400, "EntityTooLarge")
    listed = service.aws("s3").list_objects_v2(Bucket=service.facts["bucket"], Prefix="uploads/test/")
    assert listed["KeyCount"] == 0


def test_an_empty_file_is_refused(service: RunningService, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    form = service.api.call("POST", "/v1/uploads", {})
    assert refusal(form["url"], form["fields"], empty) == (400, "EntityTooSmall")


def test_a_form_is_taken_only_as_it_was_signed(service: RunningService, small_file: Path) -> None:
    form = service.api.call("POST", "/v1/uploads", {})
    fields = form["fields"]
    policy = json.loads(base64.b64decode(fields["policy"]))
    policy["conditions"] = [condition for condition in policy["conditions"] if isinstance(condition, dict)]
    wider = base64.b64encode(json.dumps(policy).encode()).decode()
    assert refusal(form["url"], {**fields, "policy": wider}, small_file) == (403, "SignatureDoesNotMatch")
    assert refusal(form["url"], {**fields, "key": "results/mine"}, small_file) == (403, "AccessDenied")
    assert refusal(form["url"], {**fields, "acl": "public-read"}, small_file) == (403, "AccessDenied")
    without = {name: value for name, value in fields.items() if name != "policy"}
    assert refusal(form["url"], without, small_file) == (403, "AccessDenied")


def test_a_form_expires(service: RunningService, small_file: Path) -> None:
    form = form_for(service, largest=5000, seconds=1)
    time.sleep(1.5)
    assert refusal(form["url"], form["fields"], small_file) == (403, "AccessDenied")


def test_who_does_not_know_the_service_s_key_gets_nothing(service: RunningService) -> None:
    stranger = boto3.client(
        "s3",
        endpoint_url=service.facts["aws_endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="guessed",
        aws_secret_access_key="guessed",
    )
    with pytest.raises(ClientError) as refused:
        stranger.list_objects_v2(Bucket=service.facts["bucket"])
    assert refused.value.response["Error"]["Code"] == "InvalidAccessKeyId"


def test_an_object_in_the_inbox_starts_one_job_for_its_version(service: RunningService, tmp_path: Path) -> None:
    clip = draw_clip(tmp_path / "inbox.mp4")
    s3, bucket, key = service.aws("s3"), service.facts["bucket"], "inbox/default/film.mp4"
    stored = s3.put_object(Bucket=bucket, Key=key, Body=clip.read_bytes(), Metadata={"erase": "captions"})

    def jobs() -> list[dict[str, Any]]:
        listed = service.api.call("GET", "/v1/jobs")["jobs"]
        return [job for job in listed if (job["request"] or {})["source"].get("s3_uri") == f"s3://{bucket}/{key}"]

    assert wait_until(jobs)
    # The event comes again, as EventBridge may deliver it: at least once, not once.
    event = {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {
                "key": key,
                "size": clip.stat().st_size,
                "etag": stored["ETag"].strip('"'),
                "version-id": stored["VersionId"],
                "sequencer": "00617F08299329D189",
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    }
    for _ in range(2):
        answer = service.aws("lambda").invoke(
            FunctionName="smart-erase-OnUploadFunction", Payload=json.dumps(event).encode()
        )
        assert "FunctionError" not in answer
    (job,) = jobs()
    ended = service.wait(job["job_id"])
    assert ended["status"] == "SUCCEEDED", ended.get("error")
    assert ended["result"]["facts"]["nothing_found"] is True
