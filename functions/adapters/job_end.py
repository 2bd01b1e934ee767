"""What happens once when a job has ended, however it ended: an event on the bus, and its usage record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from adapters.observed import metrics
from domain.callback import EVENT_DETAIL_TYPE, EVENT_SOURCE
from domain.job import Job
from domain.usage import function_of

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

    from adapters.callbacks import Callbacks
    from adapters.usage_records import UsageRecords


def _count(job: Job, machine_cost: float | None) -> None:
    """Put a job into the stack's metrics: how long it waited and was worked on, for how much video and money."""
    if job.started_at is None or job.finished_at is None:
        return
    metrics.add_metric(name="QueueSeconds", unit=MetricUnit.Seconds, value=_seconds(job.created_at, job.started_at))
    metrics.add_metric(name="WorkSeconds", unit=MetricUnit.Seconds, value=_seconds(job.started_at, job.finished_at))
    if job.source_facts is not None and job.source_facts.duration_seconds is not None:
        seconds = float(job.source_facts.duration_seconds)
        metrics.add_metric(name="VideoSeconds", unit=MetricUnit.Seconds, value=seconds)
        if machine_cost is not None and seconds > 0:
            metrics.add_metric(name="CostPerVideoMinute", unit=MetricUnit.NoUnit, value=machine_cost / (seconds / 60))


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


class EventNotTakenError(Exception):
    """Raised when EventBridge does not take an event; whoever called may call again."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """Tells of jobs that have ended. ``price_per_hour`` is what a machine costs, for the metrics."""

    usage: UsageRecords
    callbacks: Callbacks
    events: EventBridgeClient
    price_per_hour: float

    def settle(self, job: Job, machine_seconds: float | None = None) -> None:
        """Put a job's end on the event bus and into its owner's usage, unless that is done.

        The usage record comes last and is written once: it says that all was done. A call that failed before is made
        good by the next one, at the price that the event may come twice; receivers know its callback by the ID.
        ``machine_seconds`` is what all of the job's stages took together, where that is known.

        Raises:
            EventNotTakenError: EventBridge is out of order.
        """
        if self.usage.has(job):
            return
        self._tell(job)
        self.usage.record(job)
        _count(job, None if machine_seconds is None else machine_seconds / 3600 * self.price_per_hour)

    def _tell(self, job: Job) -> None:
        detail: dict[str, Any] = {
            "job_id": job.job_id,
            "owner": job.owner,
            "status": job.status,
            "function": function_of(job),
            "error_code": None if job.error is None else job.error.code,
            "has_callback": self.callbacks.has_receiver(job),
        }
        answer = self.events.put_events(
            Entries=[{"Source": EVENT_SOURCE, "DetailType": EVENT_DETAIL_TYPE, "Detail": json.dumps(detail)}]
        )
        if answer["FailedEntryCount"]:
            raise EventNotTakenError(answer["Entries"][0].get("ErrorCode", "unknown"))
