"""Who may call: the authorizer on recorded events, and what the doors do with its answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

import authorize_request
import create_job
import get_job
import list_jobs
from adapters.service import current_service
from domain.access import Caller, Quota, Scope
from domain.errors import TooManyJobsInFlightError
from domain.job import JobStatus, ResultFacts, SourceFacts

FACTS = SourceFacts(size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p", width=640, height=360)
MINUTE = ResultFacts(nothing_found=False, width=640, height=360, duration_seconds=60, frame_count=1500)


@pytest.fixture
def key(deployment):
    """A key of the tenant acme, and its secret."""
    return current_service().access_keys.create(
        "acme", frozenset(Scope), Quota(requests_per_second=3), deployment.clock() + timedelta(days=1)
    )


@pytest.fixture
def ask(deployment, recorded):
    def authorize(authorization):
        event = recorded("authorize_request")
        event["headers"]["authorization"] = authorization
        answer = authorize_request.handler(event, deployment.context)
        assert answer["isAuthorized"] is True
        return answer["context"]

    return authorize


def bearer(key):
    return f"Bearer {key[0].key_id}.{key[1]}"


def test_a_key_s_owner_is_told(ask, key):
    context = ask(bearer(key))
    caller = Caller.model_validate_json(context["caller"])
    assert (caller.owner, caller.key_id, caller.scopes) == ("acme", key[0].key_id, {Scope.READ, Scope.WRITE})
    assert (context["owner"], context["key_id"]) == ("acme", key[0].key_id)
    assert json.loads(context["allowance"]) == {"limit": 3, "remaining": 2, "reset_seconds": 1}


def test_the_names_of_headers_may_be_written_in_any_case(deployment, recorded, key):
    event = recorded("authorize_request")
    del event["headers"]["authorization"]
    event["headers"]["Authorization"] = bearer(key)
    assert authorize_request.handler(event, deployment.context)["context"]["owner"] == "acme"


@pytest.mark.parametrize(
    ("authorization", "refusal"),
    [
        ("Bearer KEY.wrong", "WrongSecretError"),
        ("Bearer KEY.", "WrongSecretError"),
        ("Bearer KEY.wröng", "WrongSecretError"),
        ("Bearer SE00000000000000000000.SECRET", "UnknownAccessKeyError"),
        ("Bearer KEY", "MissingCredentialsError"),
        ("Bearer ", "MissingCredentialsError"),
        ("Basic KEY.SECRET", "MissingCredentialsError"),
        ("", "MissingCredentialsError"),
    ],
)
def test_who_is_not_known_is_told_why(ask, key, authorization, refusal):
    context = ask(authorization.replace("KEY", key[0].key_id).replace("SECRET", key[1]))
    assert context["refusal"] == refusal
    assert "caller" not in context


def test_a_key_ends_when_it_is_revoked_or_expires(deployment, ask, key):
    deployment.clock.advance(days=1)
    assert ask(bearer(key))["refusal"] == "InactiveAccessKeyError"
    deployment.clock.advance(days=-1)
    assert "caller" in ask(bearer(key))
    current_service().access_keys.revoke(key[0].key_id)
    assert ask(bearer(key))["refusal"] == "InactiveAccessKeyError"


def test_more_requests_than_the_quota_allows_are_refused_until_the_next_second(deployment, ask, key):
    deployment.clock.now = deployment.clock.now.replace(microsecond=0)
    answers = [ask(bearer(key)) for _ in range(4)]
    assert ["caller" in answer for answer in answers] == [True, True, True, False]
    assert answers[3]["refusal"] == "RequestsTooFrequentError"
    deployment.clock.advance(seconds=1)
    assert "caller" in ask(bearer(key))


def test_secrets_are_not_kept_in_the_clear(deployment, key):
    items = current_service().access_keys._client.scan(TableName=deployment.settings.access_keys_table)["Items"]
    assert key[0].key_id in str(items)
    assert key[1] not in str(items)


def answer_to(deployment, recorded, **context):
    event = recorded("list_jobs")
    event["requestContext"]["authorizer"] = {"lambda": context}
    answer = list_jobs.handler(event, deployment.context)
    return answer["statusCode"], answer["headers"], json.loads(answer["body"])


def test_a_refusal_is_a_problem_with_its_code(deployment, recorded):
    status, headers, body = answer_to(deployment, recorded, refusal="WrongSecretError", message="no", allowed="")
    assert (status, body["code"], headers["WWW-Authenticate"]) == (401, "WrongSecret", "Bearer")
    status, headers, body = answer_to(
        deployment, recorded, refusal="RequestsTooFrequentError", message="slowly", allowed="3 requests a second"
    )
    assert (status, body["code"], headers["Retry-After"]) == (429, "RequestsTooFrequent", "1")


def test_without_an_authorizer_nothing_is_open(deployment, recorded):
    for context in ({}, {"refusal": "Exception"}, {"owner": "default"}):
        status, _, body = answer_to(deployment, recorded, **context)
        assert (status, body["code"]) == (401, "MissingCredentials")


def test_the_allowance_is_told_with_every_answer(deployment, recorded):
    allowance = '{"limit": 3, "remaining": 2, "reset_seconds": 1}'
    said = deployment.caller.model_dump_json()
    told = {"RateLimit-Limit": "3", "RateLimit-Remaining": "2", "RateLimit-Reset": "1"}
    _, headers, _ = answer_to(deployment, recorded, caller=said, allowance=allowance)
    assert told.items() <= headers.items()


def test_a_key_that_only_reads_creates_nothing(deployment, call, recorded):
    reader = deployment.new_caller("default", Scope.READ)
    answer = call(create_job, recorded("create_job"), caller=reader)
    assert (answer.status, answer.body["code"], answer.body["allowed"]) == (403, "Forbidden", "write")
    assert call(list_jobs, recorded("list_jobs"), caller=reader).status == 200
    writer = deployment.new_caller("default", Scope.WRITE)
    assert call(list_jobs, recorded("list_jobs"), caller=writer).status == 403


def submit(deployment, call, recorded, caller):
    deployment.put("uploads/default/clip.mp4")
    source = {"s3_uri": f"s3://{deployment.bucket}/uploads/default/clip.mp4"}
    return call(create_job, recorded("create_job"), {"source": source, "upscale": {}}, caller=caller)


def test_jobs_in_flight_are_limited_and_ended_ones_make_room(deployment, call, recorded):
    caller = deployment.new_caller("default", jobs_in_flight=2)
    first = submit(deployment, call, recorded, caller).body["job_id"]
    assert submit(deployment, call, recorded, caller).status == 202

    refused = submit(deployment, call, recorded, caller)
    assert (refused.status, refused.body["code"]) == (429, "TooManyJobsInFlight")
    assert refused.headers["Retry-After"] == "30"
    # Another key of the same tenant has a quota of its own.
    assert submit(deployment, call, recorded, deployment.caller).status == 202

    current_service().jobs.cancel(first, deployment.clock())
    assert submit(deployment, call, recorded, caller).status == 202
    assert submit(deployment, call, recorded, caller).status == 429


def test_a_submission_between_its_slot_and_its_record_keeps_the_slot_for_as_long_as_one_can_last(deployment):
    quota = deployment.new_caller("default", jobs_in_flight=1).key_quota
    slots, clock = current_service().submission.admission.slots, deployment.clock
    slots.take(quota, "on-its-way", clock())
    clock.advance(seconds=59)
    with pytest.raises(TooManyJobsInFlightError):
        slots.take(quota, "another", clock())
    # Nothing was ever recorded: it failed on its way.
    clock.advance(seconds=2)
    slots.take(quota, "another", clock())


def test_racing_requests_do_not_exceed_the_slots(deployment):
    caller = deployment.new_caller("default", jobs_in_flight=5)
    slots = current_service().submission.admission.slots
    jobs = [f"job-{number}" for number in range(40)]

    class AllRunning:
        @staticmethod
        def statuses(job_ids):
            return dict.fromkeys(job_ids, JobStatus.RUNNING)

    racing = type(slots)(slots.client, slots.table_name, AllRunning())

    def take(job_id):
        try:
            racing.take(caller.key_quota, job_id, deployment.clock())
        except TooManyJobsInFlightError:
            return None
        return job_id

    with ThreadPoolExecutor(8) as racers:
        taken = [job_id for job_id in racers.map(take, jobs) if job_id]
    assert len(taken) == 5


def test_another_tenant_s_job_is_not_there(deployment, call, recorded):
    job_id = submit(deployment, call, recorded, deployment.caller).body["job_id"]
    event = recorded("get_job")
    event |= {"rawPath": f"/v1/jobs/{job_id}", "pathParameters": {"job_id": job_id}}
    answer = call(get_job, event, caller=deployment.new_caller("acme"))
    assert (answer.status, answer.body["code"]) == (404, "JobNotFound")
    assert current_service().jobs.get(job_id).status is JobStatus.QUEUED


def test_the_minutes_of_a_month_are_limited_and_begin_anew(deployment, call, recorded):
    deployment.clock.now = deployment.clock.now.replace(day=15)
    caller = deployment.new_caller("default", minutes_per_month=1)
    job_id = submit(deployment, call, recorded, caller).body["job_id"]
    service = current_service()
    service.jobs.start(job_id, FACTS, deployment.clock())
    service.jobs.succeed(job_id, {}, MINUTE, deployment.clock())
    service.usage.record(service.jobs.get(job_id))
    deployment.clock.advance(minutes=2)

    refused = submit(deployment, call, recorded, caller)
    assert (refused.status, refused.body["code"]) == (429, "MinutesUsedUp")
    assert submit(deployment, call, recorded, deployment.caller).status == 202

    deployment.clock.advance(days=20)
    assert submit(deployment, call, recorded, caller).status == 202
