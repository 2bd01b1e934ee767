"""DELETE /v1/jobs/{job_id}: stops the work on a job."""

from __future__ import annotations

from http import HTTPStatus

from adapters.http_api import http_handler, new_router, owner_of, problems
from adapters.service import current_service
from domain.job_view import JobView

router = new_router()


@router.delete(
    "/v1/jobs/<job_id>",
    summary="Cancel a job that has not ended",
    operation_id="cancelJob",
    responses={
        200: {"description": "The job, cancelled"},
        **problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    },
)
def cancel_job(job_id: str) -> JobView:
    """Its execution and its Batch jobs are stopped; a cancelled job cannot go on."""
    service = current_service()
    return service.reader.show(service.submission.cancel(job_id, owner_of(router)))


handler = http_handler(router)
