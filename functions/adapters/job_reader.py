"""Shows jobs to their owners: the record, the progress at this moment, links made for this answer."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.job_progress import reached
from domain import job_view
from domain.job import Job, JobStatus
from domain.job_filter import JobFilter
from domain.job_view import JobPage, JobView

if TYPE_CHECKING:
    from adapters.jobs_table import JobsTable
    from adapters.links import LinkSigner
    from adapters.media_bucket import MediaBucket

# Reading a running job's reports is waiting for S3, not work.
_READERS = 8


@dataclass(frozen=True, slots=True)
class JobReader:
    """Reads jobs for an answer."""

    jobs: JobsTable
    media: MediaBucket
    links: LinkSigner

    def one(self, job_id: str, owner: str) -> JobView:
        """Show one job.

        Raises:
            JobNotFoundError: there is none, or it is somebody else's.
        """
        return self.show(self.jobs.get(job_id, owner))

    def page(self, owner: str, limit: int, cursor: str | None, wanted: JobFilter) -> JobPage:
        """Show some jobs that a filter admits, newest first.

        Raises:
            InvalidRequestError: the cursor is none that a page gave.
        """
        records = self.jobs.page(owner, limit, cursor, wanted)
        return JobPage(jobs=self._show_all(records.jobs), next_cursor=records.next_cursor)

    def show(self, job: Job) -> JobView:
        """Show a job that was just read."""
        stage, percent = reached(job, self.media)
        links = self.links.links(job.result_keys, job.output_object) if job.status is JobStatus.SUCCEEDED else None
        return job_view.view(job, stage=stage, progress_percent=percent, links=links)

    def _show_all(self, jobs: Iterable[Job]) -> tuple[JobView, ...]:
        with ThreadPoolExecutor(_READERS) as readers:
            return tuple(readers.map(self.show, jobs))
