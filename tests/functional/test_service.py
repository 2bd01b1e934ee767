"""How the parts are put together for a process, and idempotency keys under way."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from adapters.once_per_key import IdempotencyKey
from adapters.service import current_service, use_service
from domain.errors import ConflictError, InvalidTransitionError
from domain.job import Job, JobError, JobRequest, JobStatus
from local.moto_mends import make_conditional_writes_atomic

#: Distinct requests of the test with duplicates; `make idempotency` asks for a thousand.
DISTINCT = int(os.environ.get("DISTINCT_REQUESTS", "30"))


def test_a_process_finds_its_service_in_the_environment_of_the_template(deployment):
    use_service(None)
    service = current_service()
    assert service.media.name == deployment.bucket
    assert current_service() is service


def test_a_key_whose_first_request_is_still_at_work_is_a_conflict(deployment):
    once_per_key = deployment.serve().once_per_key
    arguments = {"key": IdempotencyKey("default", "createJob", "order-1"), "body": {}, "context": deployment.context}

    def again_meanwhile():
        with pytest.raises(ConflictError, match="being worked on"):
            once_per_key.run(lambda: "second", **arguments)
        return "first"

    assert once_per_key.run(again_meanwhile, **arguments) == "first"
    assert once_per_key.run(lambda: "third", **arguments) == "first"


def test_keys_of_two_owners_are_two_keys(deployment):
    once_per_key = deployment.serve().once_per_key
    answers = [
        once_per_key.run(
            lambda owner=owner: owner,
            key=IdempotencyKey(owner, "createJob", "order-1"),
            body={},
            context=deployment.context,
        )
        for owner in ("a", "b")
    ]
    assert answers == ["a", "b"]


def test_racing_cancellations_and_results_have_one_winner(deployment):
    """Whatever comes first stands; what comes after is told so."""
    jobs = deployment.serve().jobs
    request = JobRequest.model_validate({"source": {"url": "https://example.com/a.mp4"}, "upscale": {}})
    jobs.put_new(Job(job_id="j", owner="default", request=request, created_at=deployment.clock()))

    def attempt(number):
        try:
            if number % 2:
                jobs.cancel("j", deployment.clock())
                return "CANCELLED"
            jobs.fail("j", JobError(code="X", message="x"), deployment.clock())
        except InvalidTransitionError:
            return None
        return "FAILED"

    with ThreadPoolExecutor(8) as racers:
        results = set(racers.map(attempt, range(40))) - {None}

    assert results == {jobs.get("j").status.value}


class CountedExecutions:
    """Stands for the state machine: counts what is started."""

    def __init__(self):
        self.started = Counter()

    def start(self, job_id, *, fetch):
        self.started[job_id] += 1


def test_requests_and_their_duplicates_make_one_job_each(deployment):
    """Ten of each come at once; who meets the first one at work is told so, and is answered when asking again.

    Under the handlers: a function's process takes one request at a time, so that racing requests meet in the tables.
    """
    make_conditional_writes_atomic()
    deployment.put("uploads/default/clip.mp4")
    quota = deployment.new_caller("default", jobs_in_flight=1000).key_quota
    service, executions = current_service(), CountedExecutions()
    submission = replace(service.submission, executions=executions)
    source = {"s3_uri": f"s3://{deployment.bucket}/uploads/default/clip.mp4"}
    request = JobRequest.model_validate({"source": source, "upscale": {}})
    answered = defaultdict(set)

    def ask(name):
        key = IdempotencyKey("default", "createJob", name)
        body = request.model_dump(mode="json")
        with suppress(ConflictError):
            job_id = service.once_per_key.run(
                lambda: submission.submit(request, "default", quota).job_id, key, body, deployment.context
            )
            answered[name].add(job_id)

    names = [f"order-{number}" for number in range(DISTINCT)]
    with ThreadPoolExecutor(10) as clients:
        list(clients.map(ask, [name for name in names for _ in range(10)]))
    for name in names:
        ask(name)

    assert sorted(answered) == sorted(names)
    assert all(len(jobs) == 1 for jobs in answered.values())
    assert len(executions.started) == DISTINCT
    assert set(executions.started.values()) == {1}
    assert set(service.jobs.statuses(executions.started).values()) == {JobStatus.QUEUED}
    assert len(service.jobs.statuses(executions.started)) == DISTINCT
