"""Starting and stopping, each request and answer checked against the services' own descriptions."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from adapters.executions import Executions
from domain.errors import BudgetUsedUpError

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:process-video"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:process-video:job-1"
QUEUES = tuple(f"arn:aws:batch:eu-central-1:123456789012:job-queue/{name}" for name in ("on-demand", "spot"))
STOPPED = {"stopDate": "2026-11-21T13:00:00Z"}


def client(service):
    return boto3.client(service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def services():
    states, batch = client("stepfunctions"), client("batch")
    with Stubber(states) as states_stub, Stubber(batch) as batch_stub:
        yield Executions(states, batch, MACHINE, QUEUES), states_stub, batch_stub
        states_stub.assert_no_pending_responses()
        batch_stub.assert_no_pending_responses()


def test_a_budget_that_is_used_up_is_told_as_what_it_is(services):
    executions, states, _ = services
    denied = "not authorized to perform: states:StartExecution with an explicit deny in an identity-based policy"
    states.add_client_error("start_execution", "AccessDeniedException", denied)
    with pytest.raises(BudgetUsedUpError):
        executions.start("job-1", fetch=False)


def test_a_right_that_is_missing_is_a_defect(services):
    executions, states, _ = services
    states.add_client_error("start_execution", "AccessDeniedException", "no identity-based policy allows the action")
    with pytest.raises(ClientError):
        executions.start("job-1", fetch=False)


def expect_list(stub, jobs, queue=QUEUES[0], token=None, next_token=None):
    request = {"jobQueue": queue, "filters": [{"name": "JOB_NAME", "values": ["job-1-*"]}]}
    answer = {"jobSummaryList": [{"jobName": "job-1-x", **job} for job in jobs]}
    if token:
        request["nextToken"] = token
    if next_token:
        answer["nextToken"] = next_token
    stub.add_response("list_jobs", answer, request)


def expect_terminate(stub, job_id):
    stub.add_response("terminate_job", {}, {"jobId": job_id, "reason": "the job was cancelled"})


def test_the_execution_bears_the_jobs_id(services):
    executions, states, _ = services
    states.add_response(
        "start_execution",
        {"executionArn": EXECUTION, "startDate": "2026-11-21T13:00:00Z"},
        {"stateMachineArn": MACHINE, "name": "job-1", "input": json.dumps({"job_id": "job-1", "fetch": True})},
    )
    executions.start("job-1", fetch=True)


def test_an_execution_that_is_there_already_is_left_alone(services):
    executions, states, _ = services
    states.add_client_error("start_execution", "ExecutionAlreadyExists")
    executions.start("job-1", fetch=False)


def test_stopping_ends_waiting_and_running_batch_jobs_on_every_page_of_every_queue(services):
    executions, states, batch = services
    states.add_response("stop_execution", STOPPED, {"executionArn": EXECUTION, "cause": "the job was cancelled"})
    ended = [{"jobId": "a", "status": "SUCCEEDED"}, {"jobId": "b", "status": "FAILED"}]
    expect_list(batch, [*ended, {"jobId": "c", "status": "RUNNING"}], next_token="2")
    expect_terminate(batch, "c")
    expect_list(batch, [{"jobId": "d", "status": "RUNNABLE"}], token="2")
    expect_terminate(batch, "d")
    expect_list(batch, [{"jobId": "e", "status": "STARTING"}], queue=QUEUES[1])
    expect_terminate(batch, "e")

    executions.stop("job-1")


def test_a_job_without_an_execution_can_be_stopped(services):
    executions, states, batch = services
    states.add_client_error("stop_execution", "ExecutionDoesNotExist")
    for queue in QUEUES:
        expect_list(batch, [], queue)
    executions.stop("job-1")
