"""Usage records: written once when a job has ended, read for sums and exports."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from domain import storage_keys
from domain.job import Job
from domain.usage import Interval, Span, Usage, UsageExport, UsageRecord, record_of, summed, to_csv

if TYPE_CHECKING:
    from adapters.links import LinkSigner
    from adapters.media_bucket import MediaBucket
    from adapters.tenant_table import TenantTable

_PREFIX = "USAGE#"
_LINK = "csv"
# Sorts behind every time.
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class UsageRecords:
    """All tenants' usage. ``clock`` tells the present time in UTC."""

    table: TenantTable
    media: MediaBucket
    links: LinkSigner
    clock: Callable[[], datetime]

    def has(self, job: Job) -> bool:
        """Tell whether an ended job has its record."""
        record = record_of(job)
        return self.table.get(job.owner, _entry(record), UsageRecord) is not None

    def record(self, job: Job) -> None:
        """Write the record of a job that has ended; the same call again changes nothing.

        Its entry is made of the job's ID and the end that stands in the job's own record, which is written once.
        """
        record = record_of(job)
        self.table.put_new(job.owner, _entry(record), record)

    def summary(self, owner: str, span: Span, interval: Interval) -> Usage:
        """Return an owner's usage in a span.

        Raises:
            InvalidRequestError: the span begins more than 90 days ago.
        """
        return summed(self._in(owner, span), span, interval)

    def export(self, owner: str, span: Span) -> UsageExport:
        """Write an owner's usage in a span as CSV, one line a job; return a link to it.

        Raises:
            InvalidRequestError: the span begins more than 90 days ago.
        """
        records = self._in(owner, span)
        key = storage_keys.usage_export(str(uuid.uuid4()))
        self.media.write_bytes(key, to_csv(records).encode(), "text/csv; charset=utf-8")
        links = self.links.links({_LINK: key})
        return UsageExport(url=links.urls[_LINK], url_expires_at=links.expires_at, jobs=len(records))

    def billable_seconds_since(self, owner: str, start: datetime) -> float:
        """Return the seconds of video that an owner had finished since a moment."""
        records = self.table.between(owner, _from(start), _PREFIX + _LAST, UsageRecord)
        return sum(record.billable_seconds for record in records)

    def _in(self, owner: str, span: Span) -> list[UsageRecord]:
        span.check_age(self.clock())
        # An entry of the very end of the span sorts behind the bare time: the end is exclusive.
        return list(self.table.between(owner, _from(span.start), _from(span.end), UsageRecord))


def _from(moment: datetime) -> str:
    # Fixed width, so that the order of the strings is the order in time.
    return f"{_PREFIX}{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _entry(record: UsageRecord) -> str:
    return f"{_from(record.ended_at)}#{record.job_id}"
