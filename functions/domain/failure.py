"""Why a job failed, in the words of its owner: from what Step Functions, Batch and the worker tell.

A message that was not written for the owner (a traceback, a name of a machine) never gets through.
"""

from __future__ import annotations

import json
from typing import Any

from domain.errors import public_errors
from domain.job import JobError

INTERNAL_ERROR = JobError(code="InternalError", message="the service failed on this job; it is not the file's fault")
_TIMED_OUT = JobError(code="TimedOut", message="the job took longer than the service allows")
_STOPPED = JobError(code="Stopped", message="the job was stopped by the service's operator")
_OUT_OF_MEMORY = JobError(code="OutOfMemory", message="the video needs more memory than the service's machines have")
_NO_CAPACITY = JobError(code="NoCapacity", message="no machine could be had for the job; try again later")

_TIMEOUT_NAMES = frozenset({"States.Timeout", "States.HeartbeatTimeout", "Sandbox.Timedout", "Execution.TIMED_OUT"})
# What Batch writes as the reason when it ends a job: for its time, its memory, and for waiting in vain.
_BATCH_TIMEOUT = "Job attempt duration exceeded timeout"
_BATCH_OUT_OF_MEMORY = "OutOfMemoryError"
_BATCH_WAITED_IN_VAIN = ("CAPACITY:", "MISCONFIGURATION:")


def job_error(error_name: str, cause: str, left_by_worker: JobError | None) -> JobError:
    """Return the error for a job's record.

    ``error_name`` and ``cause`` are Step Functions' ``Error`` and ``Cause``; ``left_by_worker`` is what a stage wrote
    before it ended with exit code 2.
    """
    details = _document(cause)
    public = public_errors().get(error_name)
    if public is not None:
        message = details.get("errorMessage")
        return JobError(code=public.code, message=message) if isinstance(message, str) else INTERNAL_ERROR
    if left_by_worker is not None:
        return left_by_worker
    if error_name in _TIMEOUT_NAMES:
        return _TIMED_OUT
    if error_name == "Execution.ABORTED":
        return _STOPPED
    return _of_batch(details)


def _of_batch(details: dict[str, Any]) -> JobError:
    """Return why a Batch job failed that left no error of its own; ``details`` is its description."""
    container = details.get("Container")
    if isinstance(container, dict) and str(container.get("Reason", "")).startswith(_BATCH_OUT_OF_MEMORY):
        return _OUT_OF_MEMORY
    reason = str(details.get("StatusReason", ""))
    if reason.startswith(_BATCH_TIMEOUT):
        return _TIMED_OUT
    if any(mark in reason for mark in _BATCH_WAITED_IN_VAIN):
        return _NO_CAPACITY
    return INTERNAL_ERROR


def _document(cause: str) -> dict[str, Any]:
    try:
        document = json.loads(cause)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
