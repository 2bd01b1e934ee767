"""POST /v1/uploads: a form with which a client puts one file into the bucket."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import BaseModel, ConfigDict, Field

from adapters.http_api import IdempotencyKeyHeader, http_handler, new_router, owner_of, problems
from adapters.once_per_key import IdempotencyKey
from adapters.service import current_service
from domain.job_view import Upload

router = new_router()


class UploadRequest(BaseModel):
    """``file_name`` ends the object's key; it says nothing about what the file is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "source"


@router.post(
    "/v1/uploads",
    summary="Ask for a form to upload a file of up to 1 GB with",
    operation_id="createUpload",
    status_code=HTTPStatus.CREATED,
    responses={
        201: {"description": "A form for one file"},
        **problems(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    },
)
def create_upload(request: Annotated[UploadRequest, Body()], idempotency_key: IdempotencyKeyHeader = None) -> Upload:
    """Send ``fields`` and then the file as multipart/form-data to ``url``; then name ``upload_id`` in a job.

    With an ``Idempotency-Key``, the same request again within a day answers a new form for the same upload.
    """
    service, owner = current_service(), owner_of(router)
    upload_id = service.once_per_key.run(
        lambda: str(uuid.uuid4()),
        IdempotencyKey(owner, "createUpload", idempotency_key),
        request.model_dump(mode="json"),
        router.lambda_context,
    )
    return service.links.upload_form(owner, upload_id, request.file_name)


handler = http_handler(router)
