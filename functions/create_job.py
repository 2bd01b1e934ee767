"""POST /v1/jobs and /v1/previews: the beginning of a job."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from adapters.http_api import IdempotencyKeyHeader, http_handler, new_router, owner_of, problems, quota_of
from adapters.once_per_key import IdempotencyKey
from adapters.service import current_service
from domain.job import JobRequest, PreviewRequest
from domain.job_view import JobView

router = new_router()

_ANSWERS = {
    202: {"description": "The job is queued; Location says where to ask for it"},
    **problems(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
}


@router.post(
    "/v1/jobs",
    summary="Remove captions, double the resolution, or both",
    operation_id="createJob",
    status_code=HTTPStatus.ACCEPTED,
    responses=_ANSWERS,
)
def create_job(
    request: Annotated[JobRequest, Body()], idempotency_key: IdempotencyKeyHeader = None
) -> Response[JobView]:
    """With an ``Idempotency-Key``, the same request again within a day answers the same job."""
    return _submitted(request, "createJob", idempotency_key)


@router.post(
    "/v1/previews",
    summary="Show what an erase would remove",
    operation_id="createPreview",
    status_code=HTTPStatus.ACCEPTED,
    responses=_ANSWERS,
)
def create_preview(
    request: Annotated[PreviewRequest, Body()], idempotency_key: IdempotencyKeyHeader = None
) -> Response[JobView]:
    """A job that erases nothing: its links are a timeline, the texts, and pictures with the captions marked."""
    return _submitted(request.to_job_request(), "createPreview", idempotency_key)


def _submitted(request: JobRequest, operation: str, idempotency_key: str | None) -> Response[JobView]:
    service, owner = current_service(), owner_of(router)
    job_id = service.once_per_key.run(
        lambda: service.submission.submit(request, owner, quota_of(router)).job_id,
        IdempotencyKey(owner, operation, idempotency_key),
        request.model_dump(mode="json"),
        router.lambda_context,
    )
    headers = {"Location": f"/v1/jobs/{job_id}"}
    return Response(HTTPStatus.ACCEPTED, "application/json", service.reader.one(job_id, owner), headers)


handler = http_handler(router)
