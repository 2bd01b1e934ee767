"""FetchSource, a step of the state machine: streams the file behind a job's URL into the bucket."""

from __future__ import annotations

from typing import Any

from adapters.observed import observed_step
from adapters.service import current_service


def fetch_source(job_id: str, _payload: dict[str, Any]) -> dict[str, Any]:
    """Fetch; raise a typed error if there is nothing to be had."""
    return {"size_bytes": current_service().processing.fetch_source(job_id)}


handler = observed_step(fetch_source)
