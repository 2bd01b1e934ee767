"""Starts and stops the work on a job: a Step Functions execution named by the job's ID, and its Batch jobs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from domain.errors import BudgetUsedUpError

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient
    from mypy_boto3_stepfunctions.client import SFNClient

_DENIED_EXPRESSLY = "explicit deny"
_STOP_REASON = "the job was cancelled"


class Executions:
    """The executions of one state machine, and the jobs they put into Batch queues."""

    def __init__(
        self, states: SFNClient, batch: BatchClient, state_machine_arn: str, job_queues: Collection[str]
    ) -> None:
        self._states = states
        self._batch = batch
        self._state_machine_arn = state_machine_arn
        self._job_queues = job_queues

    def start(self, job_id: str, *, fetch: bool) -> None:
        """Start the execution of a job; starting it again changes nothing.

        Raises:
            BudgetUsedUpError: the stack's budget denies it (``BudgetBreaker`` in ``template.yaml``).
        """
        try:
            self._states.start_execution(
                stateMachineArn=self._state_machine_arn,
                name=job_id,
                input=json.dumps({"job_id": job_id, "fetch": fetch}),
            )
        except self._states.exceptions.ExecutionAlreadyExists:
            # The name is the job's ID: it is this job's own execution, perhaps ended by now.
            return
        except ClientError as error:
            # Nothing else in the stack denies expressly; a right that is missing reads otherwise.
            if _DENIED_EXPRESSLY not in error.response["Error"].get("Message", ""):
                raise
            raise BudgetUsedUpError("the service admits no jobs: its operator's budget is used up") from error

    def status(self, job_id: str) -> str | None:
        """Return what Step Functions says of a job's execution, such as RUNNING; None when it knows none."""
        try:
            return self._states.describe_execution(executionArn=self._execution_arn(job_id))["status"]
        except self._states.exceptions.ExecutionDoesNotExist:
            return None

    def stop(self, job_id: str) -> None:
        """Stop the execution of a job and end its Batch jobs, waiting or running; both may be gone already.

        Stopping an execution ends the Batch jobs it waits for on a best effort only, so they are ended by name as well.
        The execution goes first, that it may not submit another one.
        """
        with suppress(self._states.exceptions.ExecutionDoesNotExist):  # cancelled before it was started
            self._states.stop_execution(executionArn=self._execution_arn(job_id), cause=_STOP_REASON)
        for batch_job_id in self._batch_jobs(job_id):
            self._batch.terminate_job(jobId=batch_job_id, reason=_STOP_REASON)

    def _execution_arn(self, job_id: str) -> str:
        return self._state_machine_arn.replace(":stateMachine:", ":execution:", 1) + f":{job_id}"

    def _batch_jobs(self, job_id: str) -> Iterator[str]:
        for queue in sorted(self._job_queues):
            pages = self._batch.get_paginator("list_jobs").paginate(
                jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [f"{job_id}-*"]}]
            )
            for page in pages:
                for job in page["jobSummaryList"]:
                    # The filter lists ended jobs as well.
                    if job.get("status") not in {"SUCCEEDED", "FAILED"}:
                        yield job["jobId"]
