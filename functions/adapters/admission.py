"""Whether an access key's quota has room for one more job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from domain.access import KeyQuota
from domain.errors import MinutesUsedUpError

if TYPE_CHECKING:
    from adapters.job_slots import JobSlots
    from adapters.usage_records import UsageRecords

# A month's sum is read anew after this time: a quota of minutes is passed by what ends meanwhile, not by more.
_SUM_LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Sum:
    """Minutes of a month as they were summed at a moment."""

    month: datetime
    read_at: datetime
    minutes: float


@dataclass(frozen=True, slots=True)
class Admission:
    """Checks quotas. ``clock`` tells the present time in UTC."""

    slots: JobSlots
    usage: UsageRecords
    clock: Callable[[], datetime]
    _sums: dict[str, _Sum] = field(default_factory=dict)

    def admit(self, key: KeyQuota, owner: str, job_id: str) -> None:
        """Make room for a job that is about to be recorded.

        Raises:
            MinutesUsedUpError: the owner's minutes of this month have reached the key's quota.
            TooManyJobsInFlightError: the key has as many unfinished jobs as its quota allows.
        """
        limit = key.quota.minutes_per_month
        if self._minutes(owner) >= limit:
            raise MinutesUsedUpError(
                f"{limit} minutes of video were finished this month; the next one begins at 00:00 UTC on its first day",
                allowed=f"{limit} minutes a month",
            )
        self.slots.take(key, job_id, self.clock())

    def _minutes(self, owner: str) -> float:
        now = self.clock()
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        known = self._sums.get(owner)
        if known is None or known.month != month or now - known.read_at > _SUM_LIFETIME:
            known = _Sum(month, now, self.usage.billable_seconds_since(owner, month) / 60)
            self._sums[owner] = known
        return known.minutes
