"""POST, GET, DELETE /v1/jobs and GET /v1/jobs, with recorded events of API Gateway."""

from __future__ import annotations

import base64
import json
import urllib.parse
from datetime import UTC, datetime

import pytest

import cancel_job
import create_job
import create_upload
import get_job
import list_jobs
from domain.errors import JobNotFoundError
from domain.job import Job, JobError, JobRequest, JobStatus, ResultFacts, SourceFacts, Stage
from domain.limits import MAX_SOURCE_BYTES
from domain.storage_keys import JobKeys

UPLOAD_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
FACTS = SourceFacts(size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p", width=640, height=360)
RESULT_FACTS = ResultFacts(
    nothing_found=False, width=1280, height=720, duration_seconds=2.0, frame_count=50, upscaler="lanczos"
)


def submit(deployment, call, recorded, body=None, **headers):
    deployment.put(f"uploads/default/{UPLOAD_ID}/clip.mp4")
    return call(create_job, recorded("create_job"), body, **headers)


def for_job(event, job_id):
    return {**event, "rawPath": f"/v1/jobs/{job_id}", "pathParameters": {"job_id": job_id}}


def query(event, **parameters):
    return {**event, "queryStringParameters": parameters, "rawQueryString": urllib.parse.urlencode(parameters)}


def test_a_job_is_recorded_and_its_execution_bears_its_id(deployment, call, recorded):
    answer = submit(deployment, call, recorded)

    assert answer.status == 202
    job_id = answer.body["job_id"]
    assert answer.headers["Location"] == f"/v1/jobs/{job_id}"
    assert answer.body["status"] == "QUEUED"
    assert answer.body["request"]["upscale"] == {
        "factor": 2,
        "quality": "auto",
        "model": None,
        "bitrate_mbps": 12,
    }
    (execution,) = deployment.executions()
    assert execution["name"] == job_id
    described = deployment.states.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["input"]) == {"job_id": job_id, "fetch": False}


def test_a_job_is_bound_to_the_version_that_was_there_when_it_was_submitted(deployment, call, recorded):
    version = deployment.put(f"uploads/default/{UPLOAD_ID}/clip.mp4")
    job_id = call(create_job, recorded("create_job")).body["job_id"]
    deployment.put(f"uploads/default/{UPLOAD_ID}/clip.mp4", b"another")

    source = deployment.serve().jobs.get(job_id).source_object
    assert source is not None
    assert (source.bucket, source.version_id) == (deployment.bucket, version)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"colour": "red"}, ("colour", "not known")),
        ({"erase": {"captions": {"regions": [{"x": 0, "y": 0, "width": 1, "height": 1, "z": 2}]}}}, ("z", "not known")),
        (
            {"erase": {"captions": {"regions": [{"x": 0.5, "y": 0, "width": 0.6, "height": 1}]}}},
            ("regions.0", "inside"),
        ),
        (
            {"erase": {"captions": {"regions": [{"x": 0, "y": 0, "width": 0, "height": 1}]}}},
            ("width", "greater than 0"),
        ),
        ({"erase": {"captions": {"regions": [{"x": -0.1, "y": 0, "width": 1, "height": 1}]}}}, ("regions.0.x", "0")),
        (
            {"erase": {"captions": {"regions": [{"x": 0, "y": 0, "width": 1, "height": 1}] * 3}}},
            ("erase.captions.regions", "at most 2"),
        ),
        (
            {"erase": {"captions": {"keep": [{"x": 0, "y": 0, "width": 1, "height": 1}] * 3}}},
            ("erase.captions.keep", "at most 2"),
        ),
        ({"erase": {"captions": {"erase_everything": True}}}, ("erase.captions.regions", "at least one region")),
        (
            {"erase": {"captions": {"erase_everything": True, "regions": [{"x": 0, "y": 0, "width": 1, "height": 1}]}}},
            ("erase.captions.regions", "leave a part of the frame"),
        ),
        ({"upscale": {"bitrate_mbps": 0}}, ("upscale.bitrate_mbps", "greater than or equal to 1")),
        ({"upscale": {"bitrate_mbps": 101}}, ("upscale.bitrate_mbps", "less than or equal to 100")),
        ({"upscale": {"factor": 3}}, ("upscale.factor", "2")),
        ({"erase": None, "upscale": None}, ("body", "at least one of erase and upscale")),
        ({"source": {}}, ("source", "exactly one")),
        ({"source": None}, ("source", "valid")),
        ({"user_data": "x" * 1025}, ("user_data", "1024 bytes")),
    ],
)
def test_a_request_against_the_rules_names_its_field(deployment, call, recorded, change, expected):
    field, words = expected
    body = {**json.loads(recorded("create_job")["body"]), **change}

    answer = submit(deployment, call, recorded, body)

    assert answer.status == 400
    assert answer.body["code"] == "InvalidRequest"
    assert field in answer.body["field"]
    assert words in answer.body["detail"]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert deployment.executions() == []


def test_what_is_to_be_kept_and_what_to_go_altogether_is_recorded(deployment, call, recorded):
    corner = {"x": 0.8, "y": 0.0, "width": 0.2, "height": 0.2, "time_ranges": []}
    top = {"x": 0.0, "y": 0.0, "width": 1.0, "height": 0.3, "time_ranges": []}
    captions = {"erase_everything": True, "band": "bottom", "regions": [top], "keep": [corner]}

    answer = submit(
        deployment, call, recorded, {**json.loads(recorded("create_job")["body"]), "erase": {"captions": captions}}
    )

    assert answer.status == 202
    assert answer.body["request"]["erase"]["captions"] == captions


@pytest.mark.parametrize("body", ["not json", "", "null", "[]", '"text"', "12"])
def test_a_body_that_is_no_object_is_a_400(deployment, call, recorded, body):
    answer = submit(deployment, call, recorded, body)
    assert (answer.status, answer.body["code"]) == (400, "InvalidRequest")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_read(deployment, recorded, content_type):
    event = recorded("create_job")
    event["headers"]["content-type"] = content_type

    answer = create_job.handler(event, deployment.context)

    assert answer["statusCode"] == 415
    assert json.loads(answer["body"])["allowed"] == "application/json"


def test_a_body_beyond_reason_is_refused(deployment, call, recorded):
    answer = submit(deployment, call, recorded, json.dumps({"name": "x" * 2_000_000}))
    assert (answer.status, answer.body["code"]) == (413, "RequestTooLarge")
    answer = submit(deployment, call, recorded, "[" * 100_000)
    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "InvalidRequest", "body")


def test_an_upload_that_never_came_is_a_404(deployment, call, recorded):
    answer = call(create_job, recorded("create_job"))
    assert (answer.status, answer.body["code"], answer.body["field"]) == (404, "UploadNotFound", "source.upload_id")


def test_an_upload_expires_after_a_day_though_s3_may_delete_it_later(deployment, call, recorded):
    deployment.put(f"uploads/default/{UPLOAD_ID}/clip.mp4")
    deployment.clock.advance(hours=24, seconds=2)
    answer = call(create_job, recorded("create_job"))
    assert (answer.status, answer.body["code"]) == (404, "UploadNotFound")


@pytest.mark.parametrize(
    ("s3_uri", "refusal"),
    [
        ("s3://somebody-elses-bucket/clip.mp4", (400, "InvalidRequest")),
        ("s3://BUCKET/uploads/default/missing.mp4", (422, "SourceNotFound")),
        ("s3://BUCKET/results/0f8fad5b-d9cb-469f-a165-70867728950e/video.mp4", (400, "InvalidRequest")),
        ("s3://BUCKET/uploads/somebody-else/clip.mp4", (400, "InvalidRequest")),
        ("s3://BUCKET/inbox/default", (400, "InvalidRequest")),
    ],
)
def test_an_object_that_may_not_be_read_is_refused(deployment, call, recorded, s3_uri, refusal):
    body = {"source": {"s3_uri": s3_uri.replace("BUCKET", deployment.bucket)}, "upscale": {}}
    answer = call(create_job, recorded("create_job"), body)
    assert (answer.status, answer.body["code"]) == refusal


def test_an_object_of_a_listed_bucket_is_taken_whatever_its_key(deployment, call, recorded):
    deployment.serve(source_buckets=frozenset({"archive"}))
    deployment.s3.create_bucket(Bucket="archive")
    deployment.s3.put_object(Bucket="archive", Key="what?/a #1 中.mp4", Body=b"video")

    answer = call(
        create_job, recorded("create_job"), {"source": {"s3_uri": "s3://archive/what?/a #1 中.mp4"}, "upscale": {}}
    )

    assert answer.status == 202


def test_a_source_over_1_gb_is_refused_by_its_head(deployment, call, recorded):
    class Heads:
        """The bucket's client, but every object is too large; moto would have to hold it in memory."""

        def __init__(self, client):
            self._client = client

        def __getattr__(self, name):
            return getattr(self._client, name)

        def head_object(self, **arguments):
            return {**self._client.head_object(**arguments), "ContentLength": MAX_SOURCE_BYTES + 1}

    service = deployment.serve()
    service.s3 = Heads(service.s3)

    answer = submit(deployment, call, recorded)

    assert (answer.status, answer.body["code"]) == (422, "SourceTooLarge")


def test_the_same_key_and_body_answer_the_same_job(deployment, call, recorded):
    first = submit(deployment, call, recorded, idempotency_key="order-1")
    again = submit(deployment, call, recorded, idempotency_key="order-1")
    other = submit(deployment, call, recorded, idempotency_key="order-2")

    assert first.body["job_id"] == again.body["job_id"] != other.body["job_id"]
    assert again.status == 202
    assert len(deployment.executions()) == 2


def test_the_same_key_with_another_body_is_a_conflict(deployment, call, recorded):
    submit(deployment, call, recorded, idempotency_key="order-1")
    body = {**json.loads(recorded("create_job")["body"]), "name": "another"}

    answer = submit(deployment, call, recorded, body, idempotency_key="order-1")

    assert (answer.status, answer.body["code"]) == (409, "IdempotencyConflict")
    assert len(deployment.executions()) == 1


def test_a_refused_request_does_not_use_up_its_key(deployment, call, recorded):
    missing = call(create_job, recorded("create_job"), idempotency_key="order-1")
    taken = submit(deployment, call, recorded, idempotency_key="order-1")
    assert (missing.status, taken.status) == (404, 202)


def test_a_job_whose_execution_cannot_start_is_not_left_waiting(deployment, call, recorded):
    deployment.serve(state_machine_arn=deployment.settings.state_machine_arn + "-gone")

    answer = submit(deployment, call, recorded)

    assert (answer.status, answer.body["code"]) == (500, "InternalError")
    assert "gone" not in json.dumps(answer.body)
    (job,) = deployment.serve().jobs.page("default", 10).jobs
    assert job.status is JobStatus.FAILED


def test_an_unknown_job_is_a_404(deployment, call, recorded):
    for module, name in ((get_job, "get_job"), (cancel_job, "cancel_job")):
        answer = call(module, recorded(name))
        assert (answer.status, answer.body["code"], answer.body["field"]) == (404, "JobNotFound", "job_id")
        assert answer.body["request_id"] == "KJh3fjAzliAEPqw="


def test_a_running_job_shows_its_stage_and_progress(deployment, call, recorded):
    job_id = submit(deployment, call, recorded).body["job_id"]
    deployment.serve().jobs.start(job_id, FACTS, deployment.clock())
    keys = JobKeys(job_id)
    deployment.put_json(keys.progress("detect"), {"stage": "detect", "done": 10, "total": 10, "finished": True})
    deployment.put_json(keys.progress("erase"), {"stage": "erase", "done": 5, "total": 10})
    deployment.put(keys.progress("upscale"), b"not a report")

    shown = call(get_job, for_job(recorded("get_job"), job_id)).body

    assert (shown["status"], shown["stage"]) == ("RUNNING", "erase")
    assert 15 < shown["progress_percent"] < 60
    assert shown["source_facts"]["container"] == "mp4"


def finished(deployment, call, recorded):
    job_id = submit(deployment, call, recorded).body["job_id"]
    jobs = deployment.serve().jobs
    jobs.start(job_id, FACTS, deployment.clock())
    keys = JobKeys(job_id)
    deployment.put(keys.result("video.mp4"), b"the result")
    jobs.succeed(job_id, {"video": keys.result("video.mp4")}, RESULT_FACTS, deployment.clock())
    return job_id


def test_a_finished_job_has_links_of_thirty_minutes_made_at_the_question(deployment, call, recorded):
    job_id = finished(deployment, call, recorded)
    deployment.clock.advance(hours=2)

    shown = call(get_job, for_job(recorded("get_job"), job_id)).body

    assert (shown["status"], shown["stage"], shown["progress_percent"]) == ("SUCCEEDED", None, 100)
    assert shown["result"]["facts"]["width"] == 1280
    parameters = urllib.parse.parse_qs(urllib.parse.urlsplit(shown["result"]["links"]["video"]).query)
    assert parameters["X-Amz-Expires"] == ["1800"]
    left = datetime.fromisoformat(shown["result"]["links_expire_at"]) - deployment.clock()
    assert left.total_seconds() == 1800


def test_links_lead_where_clients_can_reach(deployment, call, recorded):
    job_id = finished(deployment, call, recorded)
    deployment.serve(public_s3_endpoint="http://127.0.0.1:9000", link_signer_role_arn="")

    link = call(get_job, for_job(recorded("get_job"), job_id)).body["result"]["links"]["video"]

    assert link.startswith(f"http://127.0.0.1:9000/{deployment.bucket}/results/{job_id}/video.mp4?")


def test_a_failed_job_says_why(deployment, call, recorded):
    job_id = submit(deployment, call, recorded).body["job_id"]
    error = JobError(code="UnreadableVideo", message="not a video")
    deployment.serve().jobs.fail(job_id, error, deployment.clock())

    shown = call(get_job, for_job(recorded("get_job"), job_id)).body

    assert (shown["status"], shown["error"]) == ("FAILED", {"code": "UnreadableVideo", "message": "not a video"})
    assert shown["result"] is None


def test_jobs_are_listed_newest_first_page_by_page(deployment, call, recorded):
    made = []
    for _ in range(5):
        made.append(submit(deployment, call, recorded).body["job_id"])
        deployment.clock.advance(seconds=1)
    seen, cursor = [], None
    for _ in range(3):
        parameters = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = call(list_jobs, query(recorded("list_jobs"), **parameters)).body
        seen += [job["job_id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]
    assert cursor is None


def test_a_list_can_be_narrowed_to_a_status(deployment, call, recorded):
    made = [submit(deployment, call, recorded).body["job_id"] for _ in range(4)]
    deployment.serve().jobs.cancel(made[1], deployment.clock())

    page = call(list_jobs, query(recorded("list_jobs"), status="CANCELLED", limit="1")).body

    assert [job["job_id"] for job in page["jobs"]] == [made[1]]
    assert page["next_cursor"] is None


def test_a_list_can_be_narrowed_to_a_function_a_quality_and_a_tier(deployment, call, recorded):
    jobs, made = deployment.serve().jobs, {}
    for name, wanted, size in (
        ("caption", {"erase": {}}, (640, 360)),
        ("premium", {"erase": {"quality": "premium"}, "upscale": {}}, (1280, 720)),
        ("double", {"upscale": {}}, (1920, 1080)),
    ):
        deployment.clock.advance(seconds=1)
        request = JobRequest.model_validate({"source": {"url": "https://example.com/a.mp4"}, **wanted})
        made[name] = Job(job_id=name, owner="default", request=request, created_at=deployment.clock())
        jobs.put_new(made[name])
        facts = SourceFacts(
            size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p", width=size[0], height=size[1]
        )
        jobs.start(name, facts, deployment.clock())

    def listed(**parameters):
        page = call(list_jobs, query(recorded("list_jobs"), **parameters)).body
        return [job["job_id"] for job in page["jobs"]], page["next_cursor"] is not None

    assert listed(function="erase") == (["caption"], False)
    assert listed(function="upscale", tier="full_hd") == (["double"], False)
    assert listed(quality="premium") == (["premium"], False)
    assert listed(tier="hd", status="RUNNING") == (["premium"], False)
    assert listed(tier="sd", quality="premium") == ([], False)
    assert listed(status="RUNNING", limit="2") == (["double", "premium"], True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"function": "cut"},
        {"quality": "best"},
        {"tier": "8k"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "many"},
        {"status": "DONE"},
        {"cursor": "abc"},
        {"stauts": "FAILED"},
    ],
)
def test_a_list_refuses_parameters_against_the_rules(deployment, call, recorded, parameters):
    answer = call(list_jobs, query(recorded("list_jobs"), **parameters))
    assert (answer.status, answer.body["field"]) == (400, next(iter(parameters)))


def test_other_peoples_jobs_are_not_there(deployment):
    jobs = deployment.serve().jobs
    request = JobRequest.model_validate({"source": {"url": "https://example.com/a.mp4"}, "upscale": {}})
    jobs.put_new(Job(job_id="theirs", owner="someone", request=request, created_at=deployment.clock()))

    assert jobs.page("default", 10).jobs == ()
    with pytest.raises(JobNotFoundError):
        jobs.get("theirs", "default")


def test_a_cancelled_job_stops_its_execution(deployment, call, recorded):
    job_id = submit(deployment, call, recorded).body["job_id"]

    answer = call(cancel_job, for_job(recorded("cancel_job"), job_id))

    assert (answer.status, answer.body["status"]) == (200, "CANCELLED")
    assert [execution["status"] for execution in deployment.executions()] == ["ABORTED"]


def test_a_cancelled_job_leaves_no_objects_and_takes_nobody_else_s(deployment, call, recorded):
    job_id, other = (submit(deployment, call, recorded).body["job_id"] for _ in range(2))
    made = ("jobs/{}/work_order.json", "jobs/{}/segments/00000/piece.mp4", "results/{}/video.mp4")
    for key in made:
        deployment.put(key.format(job_id))
        deployment.put(key.format(other))

    assert call(cancel_job, for_job(recorded("cancel_job"), job_id)).status == 200

    assert deployment.keys_with(job_id) == []
    assert len(deployment.keys_with(other)) == len(made)


def test_cancelling_again_changes_nothing_and_a_finished_job_cannot_be_cancelled(deployment, call, recorded):
    job_id = submit(deployment, call, recorded).body["job_id"]
    first = call(cancel_job, for_job(recorded("cancel_job"), job_id))
    again = call(cancel_job, for_job(recorded("cancel_job"), job_id))
    assert first.body == again.body

    ended = call(cancel_job, for_job(recorded("cancel_job"), finished(deployment, call, recorded)))
    assert (ended.status, ended.body["code"]) == (409, "JobNotCancellable")


def test_an_upload_form_takes_up_to_1_gb_and_says_how_long(deployment, call, recorded):
    answer = call(create_upload, recorded("create_upload"))

    assert answer.status == 201
    policy = json.loads(base64.b64decode(answer.body["fields"]["policy"]))
    assert ["content-length-range", 1, MAX_SOURCE_BYTES] in policy["conditions"]
    assert answer.body["fields"]["key"] == f"uploads/default/{answer.body['upload_id']}/clip.mp4"
    expires = datetime.fromisoformat(answer.body["expires_at"])
    assert (expires - deployment.clock()).total_seconds() == 24 * 3600
    assert datetime.fromisoformat(answer.body["form_expires_at"]) <= expires
    assert datetime.fromisoformat(policy["expiration"]) <= datetime.now(UTC).replace(microsecond=0) + (
        expires - deployment.clock()
    )


def test_an_upload_form_by_lasting_credentials_is_taken_for_a_day(deployment, call, recorded):
    deployment.serve(link_signer_role_arn="")
    answer = call(create_upload, recorded("create_upload"))
    assert answer.body["form_expires_at"] == answer.body["expires_at"]


@pytest.mark.parametrize("file_name", ["../x", "", "a/b.mp4", "x" * 101, "${filename}"])
def test_an_upload_cannot_leave_its_prefix(deployment, call, recorded, file_name):
    answer = call(create_upload, recorded("create_upload"), {"file_name": file_name})
    assert (answer.status, answer.body["field"]) == (400, "file_name")


def test_stage_is_kept_while_nothing_is_reported_yet(deployment, call, recorded):
    job_id = submit(deployment, call, recorded).body["job_id"]
    deployment.serve().jobs.enter_stage(job_id, Stage.PROBE)
    shown = call(get_job, for_job(recorded("get_job"), job_id)).body
    assert (shown["status"], shown["stage"], shown["progress_percent"]) == ("QUEUED", "probe", 0)
