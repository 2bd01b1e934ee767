"""/v1/usage: what one's jobs used, by hour or day, and as CSV."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from adapters.http_api import http_handler, new_router, owner_of, problems
from adapters.service import current_service
from domain.usage import Interval, Span, Usage, UsageExport, span_of

router = new_router()


@router.get(
    "/v1/usage",
    summary="Sum up usage by hour or day",
    operation_id="getUsage",
    responses={
        200: {"description": "One row for each bucket, function, quality and tier"},
        **problems(HTTPStatus.BAD_REQUEST),
    },
)
def get_usage(
    start: Annotated[datetime, Query()], end: Annotated[datetime, Query()], interval: Annotated[Interval, Query()]
) -> Usage:
    """The span holds at most 31 days of the last 90; ``end`` is exclusive. Times without an offset are UTC."""
    return current_service().usage.summary(owner_of(router), span_of(start, end), interval)


@router.post(
    "/v1/usage/exports",
    summary="Export usage as CSV",
    operation_id="createUsageExport",
    status_code=HTTPStatus.CREATED,
    responses={
        201: {"description": "A link that is valid for 30 minutes"},
        **problems(HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    },
)
def create_usage_export(span: Annotated[Span, Body()]) -> Response[UsageExport]:
    """One line a job. The file is deleted after a day."""
    export = current_service().usage.export(owner_of(router), span)
    return Response(HTTPStatus.CREATED, "application/json", export)


handler = http_handler(router)
