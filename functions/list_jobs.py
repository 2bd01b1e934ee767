"""GET /v1/jobs: one's jobs, newest first."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from adapters.http_api import http_handler, new_router, owner_of, problems
from adapters.service import current_service
from domain.job import JobStatus
from domain.job_view import JobPage

router = new_router()


@router.get(
    "/v1/jobs",
    summary="List jobs, newest first",
    operation_id="listJobs",
    responses={200: {"description": "Some jobs, and a cursor if more follow"}, **problems(HTTPStatus.BAD_REQUEST)},
)
def list_jobs(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
    status: Annotated[JobStatus | None, Query()] = None,
) -> JobPage:
    """Give the ``next_cursor`` of one page as ``cursor`` to get the next."""
    return current_service().reader.page(owner_of(router), limit, cursor, status)


handler = http_handler(router)
