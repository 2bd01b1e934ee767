"""Ends the records of jobs that nobody works on any more.

Every end of an execution is told by an event, and an event is delivered at least once, but for what is lost on its way:
a rule that was disabled, a function that failed three times, a start that was accepted and never came. Without this
such a job would stay RUNNING for ever, and hold one of its key's slots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adapters.observed import logger

if TYPE_CHECKING:
    from adapters.executions import Executions
    from adapters.jobs_table import JobsTable
    from adapters.processing import Processing

#: A job this young may be about to be started, or its end about to be recorded.
GRACE = timedelta(minutes=15)
_RUNNING = "RUNNING"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Compares records with executions. ``clock`` tells the present time in UTC."""

    jobs: JobsTable
    executions: Executions
    processing: Processing
    clock: Callable[[], datetime]

    def run(self) -> list[str]:
        """End every unfinished job whose execution has ended or never was; return their IDs."""
        ended = []
        for job_id in self.jobs.unfinished_before(self.clock() - GRACE):
            status = self.executions.status(job_id)
            if status != _RUNNING:
                # The same report as that of the event that was lost; what has ended meanwhile stays as it is.
                error = self.processing.record_failure(job_id, f"Execution.{status or 'GONE'}", "")
                logger.warning("reconciled", job_id=job_id, execution=status, code=error.code)
                ended.append(job_id)
        return ended
