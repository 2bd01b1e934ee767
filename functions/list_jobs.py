"""GET /v1/jobs: one's jobs, newest first."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from adapters.http_api import http_handler, new_router, owner_of, problems
from adapters.service import current_service
from domain.job import JobStatus, Quality
from domain.job_filter import JobFilter
from domain.job_view import JobPage
from domain.usage import Function, Tier

router = new_router()


@router.get(
    "/v1/jobs",
    summary="List jobs, newest first",
    operation_id="listJobs",
    responses={200: {"description": "Some jobs, and a cursor if more follow"}, **problems(HTTPStatus.BAD_REQUEST)},
)
def list_jobs(  # noqa: PLR0917 - the parameters of the query
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
    status: Annotated[JobStatus | None, Query()] = None,
    function: Annotated[Function | None, Query()] = None,
    quality: Annotated[Quality | None, Query()] = None,
    tier: Annotated[Tier | None, Query()] = None,
) -> JobPage:
    """Give the ``next_cursor`` of one page as ``cursor`` to get the next.

    ``tier`` is that of the picture that came out, or where none did, that of the source.
    """
    wanted = JobFilter(status=status, function=function, quality=quality, tier=tier)
    return current_service().reader.page(owner_of(router), limit, cursor, wanted)


handler = http_handler(router)
