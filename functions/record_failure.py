"""RecordFailure, where every failure of the state machine ends: the job has failed, with a typed error."""

from __future__ import annotations

from typing import Any

from adapters.observed import logger, observed_step
from adapters.service import current_service


def record_failure(job_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Answer the error as Step Functions' Error and Cause."""
    failure = payload["failure"]
    logger.info("failure", reported=failure)
    error = current_service().processing.record_failure(job_id, failure["Error"], failure.get("Cause", ""))
    return {"Error": error.code, "Cause": error.message}


handler = observed_step(record_failure)
