"""Runs by the clock: ends the records of jobs whose execution is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.observed import observed
from adapters.service import current_service

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def reconcile_jobs(_event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer the jobs that were ended."""
    return {"ended": current_service().reconciliation.run()}


handler = observed(reconcile_jobs)
