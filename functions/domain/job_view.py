"""What the API answers about a job: the record, the progress at this moment, and links that were made just now."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from domain.job import Delivery, Job, JobError, JobRequest, JobStatus, ResultFacts, SourceFacts, Stage
from domain.strict import Strict


class Links(Strict):
    """Download links by the names of ``domain.work_order.ResultFiles``, and ``output`` for a copy elsewhere."""

    urls: dict[str, str]
    expires_at: AwareDatetime


class ResultView(Strict):
    """What came out: facts of the published video, and the links to everything published.

    ``output_s3_uri`` is where the copy lies that ``output`` of the request asked for.
    """

    facts: ResultFacts
    output_s3_uri: str | None = None
    links: dict[str, str]
    links_expire_at: AwareDatetime


class JobView(Strict):
    """One job. ``error`` is there on a failed one, ``result`` on a succeeded one.

    ``stage`` is the step that it is in, or was in when it failed or was cancelled; a succeeded one is in none.
    ``deliveries`` are the attempts to tell its owner's receiver of the end.
    """

    job_id: str
    status: JobStatus
    stage: Stage | None = None
    progress_percent: Annotated[int, Field(ge=0, le=100)] = 0
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    request: JobRequest | None = None
    source_facts: SourceFacts | None = None
    error: JobError | None = None
    result: ResultView | None = None
    deliveries: tuple[Delivery, ...] = ()


class JobPage(Strict):
    """Some of one's jobs, newest first. ``next_cursor`` is there when more follow."""

    jobs: tuple[JobView, ...]
    next_cursor: str | None = None


class Upload(Strict):
    """A form for one file: send ``fields`` and then the file as multipart/form-data to ``url``.

    ``form_expires_at`` is until when the form is taken; ``expires_at`` is when the uploaded file is deleted.
    """

    upload_id: str
    url: str
    fields: dict[str, str]
    form_expires_at: AwareDatetime
    expires_at: AwareDatetime


def view(job: Job, *, stage: Stage | None, progress_percent: int, links: Links | None) -> JobView:
    """Show a job with the progress and the links that were just looked up."""
    result = None
    if job.result_facts is not None and links is not None:
        result = ResultView(
            facts=job.result_facts,
            output_s3_uri=None if job.output_object is None else job.output_object.uri,
            links=links.urls,
            links_expire_at=links.expires_at,
        )
    return JobView(
        job_id=job.job_id,
        status=job.status,
        stage=stage,
        progress_percent=progress_percent,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        request=job.request,
        source_facts=job.source_facts,
        error=job.error,
        result=result,
        deliveries=job.deliveries,
    )
