"""GET /v1/jobs/{job_id}: where a job is, and what came out."""

from __future__ import annotations

from http import HTTPStatus

from adapters.http_api import http_handler, new_router, owner_of, problems
from adapters.service import current_service
from domain.job_view import JobView

router = new_router()


@router.get(
    "/v1/jobs/<job_id>",
    summary="Ask for a job: status, progress, error, links to the result",
    operation_id="getJob",
    responses={200: {"description": "The job, with links made just now"}, **problems(HTTPStatus.NOT_FOUND)},
)
def get_job(job_id: str) -> JobView:
    """Links are valid for 30 minutes from this answer; ask again for new ones."""
    return current_service().reader.one(job_id, owner_of(router))


handler = http_handler(router)
