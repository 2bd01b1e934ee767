"""Jobs that nobody works on any more are ended; all others are left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

import reconcile_jobs
from adapters.reconciliation import GRACE
from adapters.service import current_service
from domain.job import Job, JobRequest, JobStatus


class Told:
    """Stands for the state machine: says what became of executions."""

    def __init__(self, **statuses):
        self.statuses = statuses

    def status(self, job_id):
        return self.statuses[job_id]


def record(deployment, job_id, status, age=GRACE + timedelta(minutes=1)):
    request = JobRequest.model_validate({"source": {"url": "https://example.com/a.mp4"}, "upscale": {}})
    created_at = deployment.clock() - age
    current_service().jobs.put_new(
        Job(job_id=job_id, owner="default", request=request, status=status, created_at=created_at)
    )


@pytest.mark.parametrize(
    ("status", "execution", "code"),
    [
        (JobStatus.RUNNING, "TIMED_OUT", "TimedOut"),
        (JobStatus.RUNNING, "ABORTED", "Stopped"),
        (JobStatus.RUNNING, "FAILED", "InternalError"),
        (JobStatus.QUEUED, None, "InternalError"),
    ],
)
def test_a_job_without_an_execution_is_ended(deployment, status, execution, code):
    record(deployment, "lost", status)
    assert replace(current_service().reconciliation, executions=Told(lost=execution)).run() == ["lost"]
    job = current_service().jobs.get("lost")
    assert (job.status, job.error.code) == (JobStatus.FAILED, code)


def test_a_job_at_work_a_young_one_and_an_ended_one_are_left_alone(deployment):
    record(deployment, "at-work", JobStatus.RUNNING)
    record(deployment, "young", JobStatus.QUEUED, age=GRACE - timedelta(seconds=1))
    record(deployment, "ended", JobStatus.SUCCEEDED)
    assert replace(current_service().reconciliation, executions=Told(**{"at-work": "RUNNING"})).run() == []
    statuses = {name: current_service().jobs.get(name).status for name in ("at-work", "young", "ended")}
    assert statuses == {
        "at-work": JobStatus.RUNNING,
        "young": JobStatus.QUEUED,
        "ended": JobStatus.SUCCEEDED,
    }


def test_the_state_machine_is_asked(deployment, recorded):
    record(deployment, "never-started", JobStatus.QUEUED)
    record(deployment, "started", JobStatus.QUEUED)
    arn = deployment.settings.state_machine_arn
    deployment.states.start_execution(stateMachineArn=arn, name="started", input=json.dumps({}))
    assert reconcile_jobs.handler(recorded("reconcile_jobs"), deployment.context) == {"ended": ["never-started"]}
    assert reconcile_jobs.handler(recorded("reconcile_jobs"), deployment.context) == {"ended": []}
