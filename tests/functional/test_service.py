"""How the parts are put together for a process, and idempotency keys under way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.once_per_key import IdempotencyKey
from adapters.service import current_service, use_service
from domain.errors import ConflictError, InvalidTransitionError
from domain.job import Job, JobError, JobRequest


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
