"""RecordResult, the last step of the state machine: the job has succeeded."""

from __future__ import annotations

from typing import Any

from adapters.observed import observed_step
from adapters.service import current_service


def record_result(job_id: str, _payload: dict[str, Any]) -> dict[str, Any]:
    """Put what assemble published on the job's record."""
    facts = current_service().processing.record_result(job_id)
    return {"nothing_found": facts.nothing_found}


handler = observed_step(record_result)
