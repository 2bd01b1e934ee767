"""How far a job is at this moment: while it runs, what the worker's stages last reported; else what is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.job import Job, JobStatus
from domain.progress import Reached, overall

if TYPE_CHECKING:
    from adapters.media_bucket import MediaBucket


def reached(job: Job, media: MediaBucket) -> Reached:
    """Return the step that a job is in, or was in when it failed or was cancelled, and its percentage."""
    if job.status is JobStatus.SUCCEEDED:
        return Reached(None, job.progress_percent)
    if job.status is not JobStatus.RUNNING or job.request is None:
        return Reached(job.stage, job.progress_percent)
    latest, percent = overall(job.request, job.segment_count, media.progress_reports(job.job_id))
    return Reached(latest or job.stage, percent)
