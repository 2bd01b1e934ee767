"""POST /v1/jobs: the beginning of a job."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from adapters.http_api import IdempotencyKeyHeader, http_handler, new_router, owner_of, problems, quota_of
from adapters.once_per_key import IdempotencyKey
from adapters.service import current_service
from domain.job import JobRequest
from domain.job_view import JobView

router = new_router()


@router.post(
    "/v1/jobs",
    summary="Remove captions, double the resolution, or both",
    operation_id="createJob",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        202: {"description": "The job is queued; Location says where to ask for it"},
        **problems(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    },
)
def create_job(
    request: Annotated[JobRequest, Body()], idempotency_key: IdempotencyKeyHeader = None
) -> Response[JobView]:
    """With an ``Idempotency-Key``, the same request again within a day answers the same job."""
    service, owner = current_service(), owner_of(router)
    job_id = service.once_per_key.run(
        lambda: service.submission.submit(request, owner, quota_of(router)).job_id,
        IdempotencyKey(owner, "createJob", idempotency_key),
        request.model_dump(mode="json"),
        router.lambda_context,
    )
    headers = {"Location": f"/v1/jobs/{job_id}"}
    return Response(HTTPStatus.ACCEPTED, "application/json", service.reader.one(job_id, owner), headers)


handler = http_handler(router)
