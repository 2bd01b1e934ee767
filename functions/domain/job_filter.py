"""Which of one's jobs a listing holds."""

from __future__ import annotations

from domain.job import Job, JobStatus, Quality
from domain.strict import Strict
from domain.usage import Function, Tier, function_of, tier_of


class JobFilter(Strict):
    """What a job has to be to be listed; None for anything.

    ``quality`` is that of its erase; ``tier`` that of the picture that came out, or where none did, that of the source.
    """

    status: JobStatus | None = None
    function: Function | None = None
    quality: Quality | None = None
    tier: Tier | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether every job is admitted."""
        return self == JobFilter()

    def admits(self, job: Job) -> bool:
        """Tell whether a job is in the listing."""
        return (
            self.status in (None, job.status)
            and (self.function is None or function_of(job) is self.function)
            and (self.quality is None or _quality_of(job) is self.quality)
            and (self.tier is None or _tier_of(job) is self.tier)
        )


def _quality_of(job: Job) -> Quality | None:
    return None if job.request is None or job.request.erase is None else job.request.erase.quality


def _tier_of(job: Job) -> Tier | None:
    facts = job.result_facts or job.source_facts
    return None if facts is None else tier_of(facts.width, facts.height)
